"""Owns how an account comes to its owner: claim, password, mail name, staff invitations. Signing in is sso's."""
