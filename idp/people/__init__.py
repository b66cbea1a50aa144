"""Owns what a person is to the university: album, names, programmes, life cycle. Pure: no clock, database, network."""
