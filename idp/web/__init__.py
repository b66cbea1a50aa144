"""Owns the Flask plumbing that every page shares: layout, errors, CSRF, headers, languages. Knows no student."""
