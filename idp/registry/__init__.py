"""Owns the way of student records in: read, normalise, match, quarantine. What a status means is for people."""
