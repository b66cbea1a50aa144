"""Owns the wire clients; knows no university words and no policy."""
