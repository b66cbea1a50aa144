"""Owns desired, plan, guard, apply, verify; a target's wire format is in targets/."""
