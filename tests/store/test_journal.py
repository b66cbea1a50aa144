"""The journal: sealing loses nothing, doubles nothing, and shows tampering."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, text, update

from idp.audit.checkpoints import (
    PROGRESS_ROWS,
    CheckpointSweep,
    Fault,
    Verdict,
    parse_checkpoints,
    sign_head,
    verify,
)
from idp.audit.events import Event, record
from idp.audit.reading import latest
from idp.audit.sealing import seal_pending
from idp.audit.settings import AuditSettings
from idp.audit.tables import journal
from idp.db.databases import Database, Databases
from idp.errors import InvalidInput
from idp.keys.key_files import Keys
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
    assert verify(databases) == Verdict(3, 0)


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
    assert verify(databases) == Verdict(1, 0)
    assert len(latest(databases, 10)) == 1


def test_an_altered_or_removed_event_breaks_the_chain(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added", "person.changed", "account.claimed")
    seal_pending(databases, SETTINGS, clock, "w1")

    with databases.identity.write() as connection:
        connection.execute(update(journal).where(journal.c.seq == 2).values(actor="nobody"))
    assert verify(databases) == Verdict(2, 0, Fault.ALTERED, 2)

    with databases.identity.write() as connection:
        connection.execute(delete(journal).where(journal.c.seq == 2))
    assert verify(databases) == Verdict(2, 0, Fault.ALTERED, 3)


def test_an_erased_event_keeps_the_chain_and_loses_its_content(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added", "person.changed")
    seal_pending(databases, SETTINGS, clock, "w1")
    empty = {"actor": "", "subject": "", "reason": "", "correlation_id": "", "data": "{}", "salt": None}
    with databases.identity.write() as connection:
        connection.execute(update(journal).where(journal.c.seq == 1).values(empty))

    assert verify(databases) == Verdict(2, 1)


def test_a_forged_event_does_not_pass_as_an_erased_one(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added", "person.changed")
    seal_pending(databases, SETTINGS, clock, "w1")
    with without_checks(databases.identity):
        with databases.identity.write() as connection:
            connection.execute(update(journal).where(journal.c.seq == 1).values(salt=None, actor="somebody else"))
        verdict = verify(databases)

    assert verdict == Verdict(1, 0, Fault.ALTERED, 1)


@contextmanager
def without_checks(database: Database) -> Iterator[None]:
    """Take the journal's constraints away for a while, as somebody can who may change the database."""
    if database.is_sqlite:
        event.listen(database.engine, "checkout", ignore_checks)
        try:
            yield
        finally:
            event.remove(database.engine, "checkout", ignore_checks)
        return
    with database.read() as connection:
        query = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        here = " WHERE contype = 'c' AND conrelid = 'journal'::regclass"
        checks = [tuple(row) for row in connection.execute(text(query + here))]
    with database.write() as connection:
        for name, _ in checks:
            connection.execute(text(f'ALTER TABLE journal DROP CONSTRAINT "{name}"'))
    try:
        yield
    finally:
        with database.write() as connection:  # other tests use the same database
            connection.execute(delete(journal))
            for name, definition in checks:
                connection.execute(text(f'ALTER TABLE journal ADD CONSTRAINT "{name}" {definition}'))


def ignore_checks(raw: Any, *_: object) -> None:
    raw.execute("PRAGMA ignore_check_constraints = ON")


def test_a_cut_at_the_end_is_found_by_a_checkpoint(databases: Databases, keys: Keys, clock: ManualClock) -> None:
    happened(databases.identity, clock, "person.added", "person.changed", "account.claimed")
    seal_pending(databases, SETTINGS, clock, "w1")
    checkpoint = sign_head(databases, keys, clock)
    assert checkpoint is not None
    assert verify(databases, keys, [checkpoint]) == Verdict(3, 0)

    with databases.identity.write() as connection:
        connection.execute(delete(journal).where(journal.c.seq > 1))
    assert verify(databases) == Verdict(1, 0)  # the chain alone cannot tell
    assert verify(databases, keys, [checkpoint]) == Verdict(1, 0, Fault.CUT, 3)


def test_a_journal_that_was_chained_anew_is_found_by_a_checkpoint(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    happened(databases.identity, clock, "person.added", "person.changed", "account.claimed")
    seal_pending(databases, SETTINGS, clock, "w1")
    checkpoint = sign_head(databases, keys, clock)
    assert checkpoint is not None
    with databases.identity.write() as connection:  # what an attacker with the database can do
        connection.execute(delete(journal))
    happened(databases.identity, clock, "person.added", "account.claimed", "account.claimed")
    seal_pending(databases, SETTINGS, clock, "w2")
    clock.advance(SETTINGS.lease_s + 1)
    seal_pending(databases, SETTINGS, clock, "w2")

    assert verify(databases) == Verdict(3, 0)
    assert verify(databases, keys, [checkpoint]) == Verdict(3, 0, Fault.REPLACED, 3)
    signed_again = sign_head(databases, keys, clock)  # by our own worker: the same number, another digest
    assert signed_again is not None
    assert verify(databases, keys, [checkpoint, signed_again]) == Verdict(3, 0, Fault.REPLACED, 3)


def test_a_checkpoint_that_our_key_did_not_sign_is_refused(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    happened(databases.identity, clock, "person.added")
    seal_pending(databases, SETTINGS, clock, "w1")
    checkpoint = sign_head(databases, keys, clock)
    assert checkpoint is not None
    (read,) = parse_checkpoints(checkpoint.to_line() + "\n\n")

    assert read == checkpoint
    assert verify(databases, keys, [replace(checkpoint, seq=2)]).fault is Fault.SIGNATURE


def test_a_line_that_is_no_checkpoint_is_named() -> None:
    with pytest.raises(InvalidInput, match="line 2"):
        parse_checkpoints("\n{}")


def test_a_long_check_tells_its_progress(databases: Databases, clock: ManualClock) -> None:
    happened(databases.identity, clock, *["person.added"] * (PROGRESS_ROWS + 1))
    while seal_pending(databases, SETTINGS, clock, "w1"):
        pass
    told: list[int] = []

    assert verify(databases, progress=told.append) == Verdict(PROGRESS_ROWS + 1, 0)
    assert told == [PROGRESS_ROWS]


def test_a_checkpoint_that_could_not_be_written_is_written_later(
    databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path
) -> None:
    happened(databases.identity, clock, "person.added")
    seal_pending(databases, SETTINGS, clock, "w1")
    file = tmp_path / "elsewhere" / "checkpoints"
    settings = AuditSettings(checkpoint_file=file)
    sweep = CheckpointSweep(databases, keys, settings, clock)
    with pytest.raises(FileNotFoundError):
        sweep()

    file.parent.mkdir()
    clock.advance(settings.checkpoint_s)
    sweep()

    assert [checkpoint.seq for checkpoint in parse_checkpoints(file.read_text())] == [1]
