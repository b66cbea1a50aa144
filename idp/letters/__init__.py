"""Owns letters: their texts, and the way from owed to sent."""
