"""Install, configure and start a Keycloak of one's own."""
