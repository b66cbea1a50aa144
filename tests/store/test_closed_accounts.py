"""The sweep of closed accounts looks at a part of the sessions in each round, and in the end at all."""

from datetime import UTC, datetime

from idp.db.databases import Databases
from idp.db.raw import open_raw
from idp.keys.key_files import Keys
from idp.people.account_queries import load_account, set_enabled
from idp.sso import sessions
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.clock import ManualClock
from tests.support.students import Student, add_student

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)


def test_every_session_of_a_closed_account_is_ended_in_a_few_rounds(
    databases: Databases, keys: Keys, clock: ManualClock
) -> None:
    raw_store = open_raw(databases)
    for name, album in (("anna", "1"), ("jan", "2")):
        add_student(databases, keys, Student(name, album=album, claimed_at=CLAIMED))
        with databases.identity.read() as connection:
            account = load_account(connection, name)
        assert account is not None
        for _ in range(5):
            clock.advance(1)
            sessions.start(raw_store, SsoSettings(), clock, account, Browser())
    sweep = sessions.ClosedAccounts(raw_store, clock, part=3).sweep
    assert [sweep() for _ in range(5)] == [0, 0, 0, 0, 0]
    with databases.identity.write() as connection:
        set_enabled(connection, "jan", False)

    assert sum(sweep() for _ in range(8)) == 5
    assert len(sessions.list_of(raw_store, clock, "anna")) == 5
    raw_store.close()
