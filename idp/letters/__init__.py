"""Owns letters: which are owed, their texts in both languages, and how they leave. Decides nothing about accounts."""
