"""Owns the import of student records: read, normalise, match, quarantine. `people` owns what a status means."""
