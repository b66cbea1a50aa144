"""Owns what a person is to the university: album, enrolments, life cycle, names. Pure: no clock, no database, no network."""
