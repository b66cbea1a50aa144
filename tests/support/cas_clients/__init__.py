"""Owns the applications of other projects that sign in to our server in the tests, and the servers that they run in."""
