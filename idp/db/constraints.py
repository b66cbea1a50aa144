"""Constraints of many tables: the database refuses values that the code does not know."""

from collections.abc import Iterable

from sqlalchemy import CheckConstraint


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Return the constraint that a column holds one of the values.

    A new value needs a migration. NULL passes; `nullable` decides about it.

    Shape:   ("state", ["running", "done"]) -> CHECK (state = 'done' OR state = 'running'), named after its column
    """
    # Sorted, so that reordering an enumeration changes no table. Not IN: SQLite would build a temporary index over the
    # list for each written row, which costs more than the insert.
    either = " OR ".join(f"{column} = '{value}'" for value in sorted(values))
    return CheckConstraint(either, name=column)


def at_least(column: str, lowest: int) -> CheckConstraint:
    """Return the constraint that a number is at least `lowest`, named after its column."""
    return CheckConstraint(f"{column} >= {lowest}", name=column)
