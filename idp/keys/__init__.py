"""Owns the key files: one series of keys per purpose, outside the databases."""
