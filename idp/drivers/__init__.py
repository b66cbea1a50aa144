"""Owns the wire clients, LDAP and others: they know no university word, and each translates its library's errors once."""
