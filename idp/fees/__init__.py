"""Owns the fees application, a process of its own: charges, individual account numbers, payments. Knows people only by CAS."""
