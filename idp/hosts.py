"""Names of this machine."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts of an address that never leaves this machine."""
