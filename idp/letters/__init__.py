"""Owns letters: which must be sent, their texts in both languages, how they leave. Decides nothing about accounts."""
