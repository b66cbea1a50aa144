"""Owns engines, raw connections, bulk writes, locks, leases and migrations of both databases; knows no feature."""
