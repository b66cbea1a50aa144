"""Owns the key files: one key per purpose, outside the databases."""
