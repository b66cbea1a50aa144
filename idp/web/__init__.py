"""Owns what all pages share in Flask: layout, errors, CSRF, headers, languages. It knows nothing of students."""
