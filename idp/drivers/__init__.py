"""Owns the wire clients, LDAP and others. They know no university word; each translates its library's errors once."""
