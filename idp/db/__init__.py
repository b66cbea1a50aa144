"""Owns engines, raw connections, bulk writes, locks, leases and migrations of both databases. It knows no feature."""
