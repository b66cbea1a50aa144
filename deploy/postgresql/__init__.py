"""A PostgreSQL of one's own, for tests and trials; never the system's."""
