"""Owns tables, migrations and repositories of both databases; decides nothing. Only this package and fees know SQL."""
