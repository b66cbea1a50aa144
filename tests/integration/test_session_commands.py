"""`idp sessions` and `idp staff disable|enable` as somebody types them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.accounts.staff_queries import StaffAccount, add_invited, begin_join, mark_joined
from idp.clock import Clock
from idp.db.databases import Databases, open_databases
from idp.db.raw import RawStore, open_raw
from idp.db.settings import StoreSettings
from idp.errors import Conflict, NotFound
from idp.keys.key_files import Keys
from idp.people.account_queries import Account, load_account
from idp.people.change_queries import queue_recompute
from idp.people.values import Priority
from idp.sso import session_queries as store
from idp.sso import sessions
from idp.sso.session_queries import Visited
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.sign_on import Application
from tests.support.students import Student, add_student
from tests.support.terminal import Terminal

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)
ANNA = Student("anna", album="123", claimed_at=CLAIMED)


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def databases(tmp_path: Path, terminal: Terminal) -> Iterator[Databases]:
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    yield databases
    databases.close()


@pytest.fixture
def raw_store(databases: Databases) -> Iterator[RawStore]:
    raw_store = open_raw(databases)
    yield raw_store
    raw_store.close()


def signed_in(raw_store: RawStore, account: Account, browser: str) -> str:
    started = sessions.start(raw_store, SsoSettings(), Clock(), account, Browser("203.0.113.7", browser))
    return started.session_id


@pytest.fixture
def anna(databases: Databases, keys: Keys) -> Account:
    add_student(databases, keys, ANNA)
    with databases.identity.read() as connection:
        account = load_account(connection, "anna")
    assert account is not None
    return account


def test_sessions_are_listed_and_one_is_ended(terminal: Terminal, raw_store: RawStore, anna: Account) -> None:
    first, second = signed_in(raw_store, anna, "[red]Firefox"), signed_in(raw_store, anna, "Chromium")

    assert "[red]Firefox" in terminal.run("sessions", "list", "123")
    assert {one["session_id"] for one in terminal.json("sessions", "list", anna.uid)} == {first, second}
    assert "Ended 1 session." in terminal.run("sessions", "end", "s123@student.po.edu.pl", first)

    assert [one["session_id"] for one in terminal.json("sessions", "list", "123")] == [second]
    assert isinstance(terminal.error("sessions", "end", "123", first), NotFound)
    assert isinstance(terminal.error("sessions", "list", "999"), NotFound)


def test_ending_all_sessions_tells_the_applications(terminal: Terminal, raw_store: RawStore, anna: Account) -> None:
    with Application() as application, raw_store.lend() as raw:
        for browser in ("Firefox", "Chromium"):
            session_id = signed_in(raw_store, anna, browser)
            store.add_visited(raw, Visited(session_id, f"ST-{browser}", "cas", "fees", f"{application.url}/app", 1.0))
        told = terminal.json("sessions", "end", "123")

    assert told == {"ended": 2, "applications": [{"application": "fees", "is_confirmed": True}] * 2}
    assert len(application.requests) == 2
    assert "not signed in anywhere" in terminal.run("sessions", "list", "123")
    assert "Not signed in anywhere" in terminal.run("sessions", "end", "123")


def test_a_lock_ends_the_sessions_and_tells_the_applications_without_a_worker(
    terminal: Terminal, raw_store: RawStore, anna: Account
) -> None:
    with Application() as application, raw_store.lend() as raw:
        session_id = signed_in(raw_store, anna, "Firefox")
        store.add_visited(raw, Visited(session_id, "ST-1", "cas", "fees", f"{application.url}/app", 1.0))
        terminal.run("accounts", "lock", "123", "--reason", "stolen password")

    assert sessions.list_of(raw_store, Clock(), "anna") == []
    assert len(application.requests) == 1


def test_a_member_of_staff_is_shut_out_and_let_in_again(
    terminal: Terminal, databases: Databases, raw_store: RawStore
) -> None:
    jan = StaffAccount("jan", "u2345678b", "clerk", "Jan", "jan@po.edu.pl", False, None, CLAIMED, "i1")
    with databases.identity.write() as connection:
        add_invited(connection, jan, "pl")
    assert isinstance(terminal.error("staff", "disable", "jan@po.edu.pl"), Conflict)
    assert isinstance(terminal.error("staff", "disable", "nobody@po.edu.pl"), NotFound)
    with databases.identity.write() as connection:
        assert begin_join(connection, jan, "Jan", "Nowak", CLAIMED)
        assert mark_joined(connection, jan, "Jan Nowak", "pl", CLAIMED)
        queue_recompute(connection, ["jan"], Priority.LIVE)
    terminal.run("apply")
    with databases.identity.read() as connection:
        account = load_account(connection, "jan")
    assert account is not None
    signed_in(raw_store, account, "Firefox")

    assert "every session has ended" in terminal.run("staff", "disable", "Jan@po.edu.pl")
    assert sessions.list_of(raw_store, Clock(), "jan") == []
    assert [one["enabled"] for one in terminal.json("staff", "list")] == [False]
    assert "may sign in again" in terminal.run("staff", "enable", "jan@po.edu.pl")

    assert [one["enabled"] for one in terminal.json("staff", "list")] == [True]
    told = {one["kind"] for one in terminal.json("audit", "--subject", "jan")}
    assert {"account.locked", "account.unlocked", "session.ended"} <= told
