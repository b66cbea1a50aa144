"""Sessions count by one joined read, and tickets are taken once."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from idp.applications.assurance import Assurance
from idp.cas.ticket_queries import (
    NewTicket,
    ProxyGranting,
    add_proxy_granting,
    add_ticket,
    drop_expired_tickets,
    find_proxy_granting,
    take_ticket,
)
from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.keys.key_files import Keys
from idp.people.account_queries import set_enabled
from idp.people.view_queries import ViewKey
from idp.sso.factors import Factor, FactorKind
from idp.sso.session_queries import (
    NewSession,
    Visited,
    add_session,
    add_visited,
    closed_session_ids,
    end_of_part,
    expired_session_ids,
    find_session,
    remove_sessions,
    renew_session,
    sessions_of,
    take_visited,
    touch_session,
)
from tests.support.students import Student, add_student

NOW = 1_000.0
KEY = ViewKey("rules of today", "2026-11-30")


@pytest.fixture
def store(databases: Databases, keys: Keys) -> Iterator[RawStore]:
    add_student(databases, keys, Student("p1", claimed_at=datetime(2026, 9, 20, tzinfo=UTC)))
    opened = open_raw(databases)
    yield opened
    opened.close()


def new_session(session_id: str = "s1", account_id: str = "p1", epoch: int = 1) -> NewSession:
    factors = (Factor(FactorKind.PASSWORD, NOW),)
    times = (NOW, NOW + 100, NOW + 1000)
    return NewSession(session_id, account_id, epoch, *times, False, True, "127.0.0.1", "Firefox", factors)


def new_ticket(kind: str = "ST", proxies: tuple[str, ...] = ()) -> NewTicket:
    return NewTicket(kind, "s1", "fees", "http://127.0.0.1:8081/login", True, NOW + 10, None, proxies)


def test_a_session_is_found_by_its_token_alone(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())

        session = find_session(raw, "TGC-1", NOW + 1)

        assert session is not None
        assert (session.session_id, session.account_id, session.warns, session.remembered) == ("s1", "p1", True, False)
        assert find_session(raw, "TGC-2", NOW + 1) is None
        assert "TGC-1" not in str(raw.all("SELECT * FROM session"))
        assert session.assurance is Assurance.PASSWORD
        assert raw.all("SELECT factors, assurance FROM session") == [('[["password", 1000.0]]', "password")]


def test_a_session_that_ends_while_a_ticket_is_taken_knows_the_application(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        add_ticket(raw, "ST-1", new_ticket())
    ended = threading.Event()
    visited: list[Visited] = []

    def end() -> None:
        with store.lend() as raw, raw.transaction():
            assert remove_sessions(raw, ["s1"])
            visited.extend(take_visited(raw, "s1"))
        ended.set()

    thread = threading.Thread(target=end)
    with store.lend() as raw, raw.transaction():
        assert take_ticket(raw, "ST-1", NOW + 1, KEY) is not None
        thread.start()
        assert not ended.wait(0.2)
        add_visited(raw, Visited("s1", "ST-1", "cas", "fees", "http://127.0.0.1:8081/logout", NOW + 1))
    thread.join(10)

    assert [one.application for one in visited] == ["fees"]


@pytest.mark.parametrize("seconds", [100, 1000])
def test_an_idle_or_old_session_does_not_count(store: RawStore, seconds: float) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        if seconds == 1000:
            touch_session(raw, "s1", NOW + 999, NOW + 5000)

        assert find_session(raw, "TGC-1", NOW + seconds - 1) is not None
        assert find_session(raw, "TGC-1", NOW + seconds) is None
        assert expired_session_ids(raw, NOW + seconds, 10) == ["s1"]


def test_a_session_counts_only_while_its_account_is_enabled_and_of_its_epoch(
    store: RawStore, databases: Databases
) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        add_session(raw, "TGC-2", new_session("s2", epoch=7))
        add_session(raw, "TGC-3", new_session("s3", account_id="gone"))
        assert find_session(raw, "TGC-2", NOW) is None
        assert find_session(raw, "TGC-3", NOW) is None
        with databases.identity.write() as connection:
            set_enabled(connection, "p1", False)

        assert find_session(raw, "TGC-1", NOW) is None
        assert sessions_of(raw, "p1", NOW) == []
        assert sorted(closed_session_ids(raw, 10)) == ["s1", "s2", "s3"]


def test_closed_sessions_are_found_part_by_part(store: RawStore) -> None:
    with store.lend() as raw:
        for number in range(5):
            add_session(raw, f"TGC-{number}", new_session(f"s{number}", epoch=7))

        last = end_of_part(raw, "", 2)
        assert last == "s1"
        assert sorted(closed_session_ids(raw, 10, "", last)) == ["s0", "s1"]
        assert sorted(closed_session_ids(raw, 10, "s1", end_of_part(raw, "s1", 2))) == ["s2", "s3"]
        assert end_of_part(raw, "s3", 2) is None
        assert closed_session_ids(raw, 10, "s3") == ["s4"]


def test_a_renewed_session_keeps_its_name_and_loses_its_old_token(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        renew_session(raw, "s1", "TGC-2", new_session())

        assert find_session(raw, "TGC-1", NOW) is None
        found = find_session(raw, "TGC-2", NOW)
        assert found is not None
        assert found.session_id == "s1"


def test_a_ticket_is_taken_once_with_the_session_behind_it(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        add_ticket(raw, "ST-1", new_ticket(proxies=("b", "a")))

        taken = take_ticket(raw, "ST-1", NOW + 1, KEY)

        assert taken is not None
        assert (taken.account_id, taken.service_url, taken.from_new_login) == (
            "p1",
            "http://127.0.0.1:8081/login",
            True,
        )
        assert taken.proxies == ("b", "a")
        assert take_ticket(raw, "ST-1", NOW + 1, KEY) is None


def test_a_ticket_of_an_ended_session_is_taken_and_stands_for_nobody(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        add_ticket(raw, "ST-1", new_ticket())
        remove_sessions(raw, ["s1"])

        taken = take_ticket(raw, "ST-1", NOW, KEY)

        assert taken is not None
        assert taken.account_id is None


def test_of_many_parallel_takers_one_gets_the_ticket(store: RawStore) -> None:
    with store.lend() as raw:
        for number in range(20):
            add_ticket(raw, f"ST-{number}", new_ticket())
    got: list[str] = []

    def take_all() -> None:
        with store.lend() as mine:
            for number in range(20):
                with mine.transaction():
                    if take_ticket(mine, f"ST-{number}", NOW, KEY) is not None:
                        got.append(f"ST-{number}")

    threads = [threading.Thread(target=take_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == sorted(f"ST-{number}" for number in range(20))


def test_the_whole_tree_ends_with_its_session(store: RawStore) -> None:
    with store.lend() as raw:
        add_session(raw, "TGC-1", new_session())
        new = ProxyGranting("s1", "fees", ("http://a/pgt",), None, NOW + 500)
        assert add_proxy_granting(raw, "PGT-1", new, NOW)
        granting = find_proxy_granting(raw, "PGT-1", NOW)
        assert granting is not None
        assert granting.proxies == ("http://a/pgt",)

        (gone,) = remove_sessions(raw, ["s1", "unknown"])

        assert gone.account_id == "p1"
        assert find_proxy_granting(raw, "PGT-1", NOW) is None
        assert drop_expired_tickets(raw, NOW) == 1
        assert raw.all("SELECT * FROM proxy_granting") == []


def test_tickets_that_nobody_took_are_dropped(store: RawStore) -> None:
    with store.lend() as raw:
        add_ticket(raw, "ST-1", new_ticket())

        assert drop_expired_tickets(raw, NOW) == 0
        assert drop_expired_tickets(raw, NOW + 10) == 1


def test_visited_applications_are_handed_over_once_latest_first(store: RawStore) -> None:
    with store.lend() as raw:
        for at, ticket in enumerate(["ST-1", "ST-2"]):
            add_visited(raw, Visited("s1", ticket, "cas", "fees", "http://x", float(at)))

        assert [one.ticket for one in take_visited(raw, "s1")] == ["ST-2", "ST-1"]
        assert take_visited(raw, "s1") == []
