"""Transactions lock people's rows in one order, so that two of them never wait for each other."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from idp.db.databases import Databases
from idp.people.change_queries import delete_changes, queue_recompute
from idp.provisioning.state_queries import Desired, make_live, mark_in_doubt, set_desired, states_among
from idp.provisioning.target_states import Presence

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DEADLINE_S = 60
BACKWARDS = ["p3", "p2", "p1"]

ACTS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "read alone": ("target_state", lambda connection: states_among(connection, "ldap", BACKWARDS, alone=True)),
    "make live": ("target_state", lambda connection: make_live(connection, "ldap", BACKWARDS, NOW)),
    "mark in doubt": ("target_state", lambda connection: mark_in_doubt(connection, "ldap", BACKWARDS, NOW)),
    "queue": ("person_change", lambda connection: queue_recompute(connection, BACKWARDS)),
    "delete changes": (
        "person_change",
        lambda connection: delete_changes(connection, [(person_id, "1") for person_id in BACKWARDS]),
    ),
}


def wait_until_it_waits(databases: Databases) -> None:
    """Return once a connection of this database waits for a row."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    waiting = threading.Event()
    for _ in range(int(DEADLINE_S / 0.05)):
        with databases.sessions.read() as connection:
            if connection.execute(text(query)).scalar_one():
                return
        waiting.wait(0.05)
    raise AssertionError("nobody waits for the row")


@pytest.mark.parametrize("act", ACTS)
def test_rows_of_people_are_locked_sorted_by_person_whatever_order_they_are_given_in(
    databases: Databases, act: str
) -> None:
    if databases.identity.is_sqlite:
        return  # one transaction writes at a time
    table, lock = ACTS[act]
    for person_id in BACKWARDS:  # as they lie in the table
        with databases.identity.write() as connection:
            set_desired(connection, "ldap", [Desired(person_id, "d", Presence.REQUIRED)], NOW)
            connection.execute(
                text("INSERT INTO person_change VALUES (:person, '1', 'bulk', now(), NULL)"), {"person": person_id}
            )

    def take() -> None:
        with databases.identity.write() as connection:
            lock(connection)

    thread = threading.Thread(target=take)
    with databases.identity.write() as holder:
        holder.execute(text(f"SELECT 1 FROM {table} WHERE person_id = 'p2' FOR UPDATE"))  # noqa: S608 - a constant
        thread.start()
        wait_until_it_waits(databases)
        with databases.identity.write() as other:
            free = other.execute(text(f"SELECT person_id FROM {table} FOR UPDATE SKIP LOCKED")).scalars().all()  # noqa: S608 - a constant
    thread.join(DEADLINE_S)

    assert free == ["p3"]
