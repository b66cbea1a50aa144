"""Owns the one sign-on session: identifiers, sign-in, session list, sign-out. Knows no protocol."""
