"""Owns how a student's address may look: alias, proposals, refusals. Pure: who holds an address is in the store."""
