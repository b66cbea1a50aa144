"""Owns the registered applications: files, matching, lint, explain, attribute release. Knows no protocol's messages."""
