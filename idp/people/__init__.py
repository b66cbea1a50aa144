"""Owns what a person is to the university: names, enrolments, status, addresses, locks, merges, and their snapshot."""
