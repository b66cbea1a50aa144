"""Owns the fees application, a process of its own: charges, account numbers, payments. CAS tells it who signs in."""
