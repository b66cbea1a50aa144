"""Owns bringing targets to what the records ask for: desire, plan, guard, run, verify, undo. Knows no wire format."""
