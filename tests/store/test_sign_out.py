"""Signing out goes on, whatever becomes of the note about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from idp.clock import Clock
from idp.db.databases import Databases
from idp.db.outbox import session_outbox
from idp.db.raw import RawStore, open_raw
from idp.keys.key_files import Keys
from idp.people.account_queries import load_account
from idp.sso import sessions
from idp.sso.logouts import Logout
from idp.sso.session_queries import Visited, add_visited
from idp.sso.sessions import Browser, Ended
from idp.sso.settings import SsoSettings
from idp.sso.sign_out import Outcome, SignOutService
from tests.support.actors import shell
from tests.support.students import Student, add_student


@dataclass
class BreaksTheOutbox:
    """A sender whose application is told, and then nothing can be noted any more."""

    databases: Databases

    def tell(self, _: Logout) -> None:
        self._rename("state", "gone")

    def repair(self) -> None:
        """Put the outbox in order: other tests use the same database."""
        self._rename("gone", "state")

    def _rename(self, before: str, after: str) -> None:
        with self.databases.sessions.write() as connection:
            connection.execute(text(f"ALTER TABLE {session_outbox.name} RENAME COLUMN {before} TO {after}"))


@pytest.fixture
def raw_store(databases: Databases) -> Iterator[RawStore]:
    opened = open_raw(databases)
    yield opened
    opened.close()


def test_a_sign_out_that_cannot_be_noted_is_reported_as_not_confirmed(
    databases: Databases, raw_store: RawStore, keys: Keys
) -> None:
    clock = Clock()
    add_student(databases, keys, Student("p1", claimed_at=datetime(2026, 9, 20, tzinfo=UTC)))
    with databases.identity.read() as connection:
        account = load_account(connection, "p1")
    assert account is not None
    started = sessions.start(raw_store, SsoSettings(), clock, account, Browser())
    with raw_store.lend() as raw:
        add_visited(raw, Visited(started.session_id, "ST-1", "cas", "fees", "https://fees.example/app", 1.0))
    messages = sessions.end_all(raw_store, clock, "p1", Ended.REVOKED, shell("root"))
    sender = BreaksTheOutbox(databases)
    service = SignOutService(raw_store, {"cas": sender}, clock)

    try:
        outcomes = service.tell(messages, wait_s=30)
    finally:
        service.close()
        sender.repair()

    assert outcomes == [Outcome("fees", is_confirmed=False)]
