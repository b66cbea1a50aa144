"""Owns the one sign-on session: login page, sign-in, factors, session list, sign-out. Knows no protocol."""
