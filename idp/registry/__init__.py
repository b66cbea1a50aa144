"""Owns the way of student records in: read, normalise, match, quarantine, import. Does not decide what a status means: people does."""
