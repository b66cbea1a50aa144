"""Owns the event words, the journal, its chain and checkpoints. Steps decide what is recorded."""
