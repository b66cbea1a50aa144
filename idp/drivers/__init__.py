"""Owns the wire clients: LDAP, Keycloak, HTTP, SMTP. They know nothing of universities, and translate errors once."""
