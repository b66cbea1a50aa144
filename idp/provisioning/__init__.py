"""Owns bringing targets to what the records ask for: desired, plan, guard, apply, verify. Knows no wire format."""
