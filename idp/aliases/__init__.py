"""Owns the rules of mail addresses: proposals, refusals, the alias. Pure; the ledger's tables are in store."""
