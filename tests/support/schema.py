"""What a database says about its own tables."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, inspect


def rules_of(connection: Connection, tables: Iterable[str]) -> dict[str, list[str]]:
    """Return the constraints and indexes of each table, in the database's own words.

    Alembic compares neither CHECK constraints nor the conditions of partial indexes.
    """
    found = inspect(connection)
    return {
        table: sorted(
            [
                f"key {found.get_pk_constraint(table)}",
                *(f"foreign key {_plain(key)}" for key in found.get_foreign_keys(table)),
                *(f"unique {_plain(key)}" for key in found.get_unique_constraints(table)),
                *(f"check {_plain(check)}" for check in found.get_check_constraints(table)),
                *(f"index {_plain(index)}" for index in found.get_indexes(table)),
            ]
        )
        for table in tables
    }


def _plain(value: Any) -> Any:
    """Return SQL expressions as their text: two equal ones are two objects."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in sorted(value.items())}
    return value if isinstance(value, str | int | list | None) else str(value)
