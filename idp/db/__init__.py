"""Owns engines, raw connections, bulk writes, locks, leases, outbox and migrations of both databases. No features."""
