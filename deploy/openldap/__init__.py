"""An OpenLDAP of one's own for the demo and for tests; the LDIF files also serve a real server."""
