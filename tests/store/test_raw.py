"""The raw path: one SQL text on both databases."""

import threading
from collections.abc import Iterator

import pytest

from idp.store.base import Databases
from idp.store.raw import RawStore, open_raw

INSERT = "INSERT INTO one_time (token_hash, purpose, data, expires_at) VALUES (?, ?, ?, ?)"
TOKEN = ("a" * 64, "test", "{}", 5.0)


@pytest.fixture
def store(databases: Databases) -> Iterator[RawStore]:
    opened = open_raw(databases)
    yield opened
    opened.close()


def count(store: RawStore) -> int:
    with store.lend() as raw:
        return int(raw.all("SELECT count(*) FROM one_time")[0][0])


def test_a_statement_alone_is_committed(store: RawStore) -> None:
    with store.lend() as raw:
        assert raw.run(INSERT, TOKEN) == 1

    assert count(store) == 1


def test_a_transaction_is_all_or_nothing(store: RawStore) -> None:
    with store.lend() as raw:
        raw.run(INSERT, TOKEN)
        with pytest.raises(Exception, match=r"(?i)unique"), raw.transaction():
            raw.many(INSERT, [("b" * 64, "test", "{}", 5.0), TOKEN])
        raw.run("DELETE FROM one_time WHERE token_hash = ?", TOKEN[:1])

    assert count(store) == 0
    with store.lend() as raw, raw.transaction():
        raw.run(INSERT, TOKEN)
    assert count(store) == 1


def test_the_identities_are_read_beside_the_sessions(store: RawStore) -> None:
    with store.lend() as raw:
        assert raw.all("SELECT account_id FROM identity.account") == []


def test_a_sign_in_does_not_wait_for_an_import(store: RawStore, databases: Databases) -> None:
    done = threading.Event()

    def write() -> None:
        with store.lend() as raw, raw.transaction():
            raw.run(INSERT, TOKEN)
        done.set()

    with databases.identity.write() as importing:
        importing.exec_driver_sql("DELETE FROM letter")
        thread = threading.Thread(target=write)
        thread.start()
        assert done.wait(5.0)
        thread.join()


def test_a_lent_connection_is_given_back_after_an_error(store: RawStore) -> None:
    for _ in range(40):  # more than the pool holds
        with pytest.raises(RuntimeError), store.lend():
            raise RuntimeError

    assert count(store) == 0
