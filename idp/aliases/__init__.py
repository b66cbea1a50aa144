"""Owns the rules of student addresses: alias, proposals, refusals. Pure: people owns who holds an address."""
