"""The journal: sealing loses nothing, doubles nothing, and shows tampering."""

from collections.abc import Sequence

from sqlalchemy import delete, text, update

from idp.audit.events import Event, record
from idp.audit.reading import latest
from idp.audit.sealing import Broken, seal_pending, verify
from idp.audit.settings import AuditSettings
from idp.audit.tables import journal
from idp.db.databases import Database, Databases
from tests.support.clock import ManualClock

SETTINGS = AuditSettings()


def happened(database: Database, clock: ManualClock, *kinds: str) -> None:
    with database.write() as connection:
        for kind in kinds:
            clock.advance(1)
            record(connection, clock.timestamp(), Event(kind, subject="p1", data={"name": "Łukasz"}))


def kinds_of(events: Sequence[dict[str, object]]) -> list[object]:
    return [event["kind"] for event in events]


def test_events_of_both_databases_end_in_one_chain(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "registry.imported", "person.added")
    happened(databases.sessions, clock, "sign_in.succeeded")

    assert seal_pending(databases, SETTINGS, clock, "w1") == 3
    assert seal_pending(databases, SETTINGS, clock, "w1") == 0
    assert verify(databases) == (3, None)


def test_an_act_that_is_rolled_back_leaves_no_event(databases: Databases, clock: ManualClock) -> None:
    class Interrupted(Exception):
        pass

    try:
        with databases.identity.write() as connection:
            record(connection, clock.timestamp(), Event("person.added"))
            raise Interrupted
    except Interrupted:
        pass

    assert latest(databases, 10) == []


def test_reading_shows_sealed_and_waiting_events_newest_first(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "registry.imported")
    seal_pending(databases, SETTINGS, clock, "w1")
    happened(databases.sessions, clock, "sign_in.refused")
    happened(databases.identity, clock, "account.claimed")

    assert kinds_of(latest(databases, 10)) == ["account.claimed", "sign_in.refused", "registry.imported"]
    assert kinds_of(latest(databases, 1)) == ["account.claimed"]
    assert kinds_of(latest(databases, 10, kind="sign_in")) == ["sign_in.refused"]
    assert latest(databases, 10)[0]["data"] == {"name": "Łukasz"}


def test_events_about_and_by_somebody_are_found_and_refused_claims_by_the_album_number(
    databases: Databases, clock: ManualClock
) -> None:
    with databases.sessions.write() as connection:
        record(connection, clock.timestamp(), Event("claim.refused", data={"album": "12345"}))
        record(connection, clock.timestamp() + 1, Event("staff.invited", subject="p2", actor="p1"))
        record(connection, clock.timestamp() + 2, Event("sign_in.succeeded", subject="p3"))

    assert kinds_of(latest(databases, 10, subjects=("12345",))) == ["claim.refused"]
    assert kinds_of(latest(databases, 10, subjects=("p1", "p3"))) == ["sign_in.succeeded", "staff.invited"]
    assert latest(databases, 10, subjects=("p9",)) == []


def test_only_the_holder_of_the_lease_seals_until_it_runs_out(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added")
    assert seal_pending(databases, SETTINGS, clock, "w1") == 1
    happened(databases.identity, clock, "person.added")

    assert seal_pending(databases, SETTINGS, clock, "w2") == 0
    clock.advance(SETTINGS.lease_s + 1)
    assert seal_pending(databases, SETTINGS, clock, "w2") == 1


def test_a_sealer_killed_between_the_two_databases_doubles_nothing(databases: Databases, clock: ManualClock) -> None:
    happened(databases.sessions, clock, "sign_in.succeeded")
    with databases.sessions.read() as connection:
        waiting = [dict(row._mapping) for row in connection.execute(text("SELECT * FROM event_pending"))]
    seal_pending(databases, SETTINGS, clock, "w1")
    # The state that such a kill leaves: sealed, and still waiting in its own database.
    with databases.sessions.write() as connection:
        for row in waiting:
            columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO event_pending ({columns}) VALUES ({marks})"), row)  # noqa: S608

    assert seal_pending(databases, SETTINGS, clock, "w1") == 0
    assert verify(databases) == (1, None)
    assert len(latest(databases, 10)) == 1


def test_an_altered_or_removed_event_breaks_the_chain(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added", "person.changed", "account.claimed")
    seal_pending(databases, SETTINGS, clock, "w1")

    with databases.identity.write() as connection:
        connection.execute(update(journal).where(journal.c.seq == 2).values(actor="nobody"))
    assert _broken_at(verify(databases)[1]) == 2

    with databases.identity.write() as connection:
        connection.execute(delete(journal).where(journal.c.seq == 2))
    assert _broken_at(verify(databases)[1]) == 3


def _broken_at(broken: Broken | None) -> int | None:
    return None if broken is None else broken.seq
