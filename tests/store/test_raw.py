"""The raw path: one SQL text on both databases."""

import queue
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, text

from idp.applications.assurance import Assurance
from idp.db.databases import UNAVAILABLE, Databases, open_databases, sessions_file
from idp.db.process_names import process_name
from idp.db.raw import TIDY_LOG_BYTES, Raw, RawStore, SqliteRaw, open_raw
from idp.db.writers import WriterQueue

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


def test_statements_written_together_are_all_or_nothing(store: RawStore) -> None:
    other = "INSERT INTO used_login_ticket (ticket_hash, uses, expires_at) VALUES (?, ?, ?)"
    with store.lend() as raw:
        raw.write_together((INSERT, TOKEN), (other, ("a" * 64, 1, 5.0)))
        for again in ((INSERT, TOKEN), (INSERT, ("b" * 64, *TOKEN[1:]))):
            with pytest.raises(Exception, match=r"(?i)unique"):
                raw.write_together(again, (other, ("a" * 64, 1, 5.0)))
        assert raw.all("SELECT count(*) FROM used_login_ticket") == [(1,)]
        with raw.transaction():
            raw.write_together((INSERT, ("c" * 64, *TOKEN[1:])))

    assert count(store) == 2


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
        importing.exec_driver_sql("DELETE FROM account")
        thread = threading.Thread(target=write)
        thread.start()
        assert done.wait(5.0)
        thread.join()


def test_a_lent_connection_is_given_back_after_an_error(store: RawStore) -> None:
    for _ in range(40):  # more than the pool holds
        with pytest.raises(RuntimeError), store.lend():
            raise RuntimeError

    assert count(store) == 0


def test_a_transaction_that_cannot_be_rolled_back_keeps_no_other_writer_waiting(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "one.sqlite", isolation_level=None)
    raw = SqliteRaw(connection, WriterQueue(tmp_path / "one.lock", 1))

    with pytest.raises(sqlite3.ProgrammingError), raw.transaction():
        connection.close()

    with WriterQueue(tmp_path / "one.lock", 1):
        pass


@contextmanager
def another_writer(lock_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that is in the queue's front place and stays there."""
    program = f"""
import os, time
from pathlib import Path
from idp.db.writers import WriterQueue
with WriterQueue(Path({str(lock_file)!r}), 60):
    os.write(1, b"inside\\n")
    time.sleep(600)
"""
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"inside\n"
        yield other
    finally:
        other.kill()
        other.communicate()


def test_a_writer_of_another_process_is_waited_for_and_its_death_is_noticed_at_once(tmp_path: Path) -> None:
    with another_writer(tmp_path / "sessions.lock") as other:
        entered = threading.Event()

        def enter() -> None:
            with WriterQueue(tmp_path / "sessions.lock", 60):
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.2)
        other.kill()
        assert entered.wait(10)
        thread.join()


def test_a_writer_that_hangs_holds_up_one_thread_of_a_process_and_not_all(databases: Databases) -> None:
    if not databases.sessions.is_sqlite:
        return
    hasty = open_databases(databases.settings.model_copy(update={"busy_timeout_s": 0.3}))
    store = open_raw(hasty)
    outcomes: queue.Queue[str] = queue.Queue()

    def write(number: int) -> None:
        row = (f"{number:064}", "test", "{}", 5.0)
        try:
            if number % 3:
                with store.exclusive() if number % 2 else nullcontext(), store.lend() as raw:
                    raw.run(INSERT, row)
            else:
                with hasty.sessions.write() as connection:
                    connection.exec_driver_sql(INSERT, row)
            outcomes.put("written")
        except UNAVAILABLE:
            outcomes.put("gave up")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    with another_writer(databases.settings.folder / "sessions.lock"):
        for thread in threads:
            thread.start()
        assert [outcomes.get(timeout=30) for _ in range(5)] == ["gave up"] * 5
    assert outcomes.get(timeout=30) == "written"
    for thread in threads:
        thread.join()
    store.close()
    hasty.close()


def test_a_writer_by_either_way_waits_its_turn_and_not_for_the_databases_lock(databases: Databases) -> None:
    if not databases.sessions.is_sqlite:
        return  # PostgreSQL's writers do not wait for each other
    # Opened again, since its connections are not to wait in SQLite at all.
    impatient = open_databases(databases.settings)
    event.listen(impatient.sessions.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=0"))
    store = open_raw(impatient)
    written = threading.Event()

    def write() -> None:
        with impatient.sessions.write() as connection:
            connection.exec_driver_sql(INSERT, ("b" * 64, "test", "{}", 5.0))
        written.set()

    thread = threading.Thread(target=write)
    with store.lend() as raw, raw.transaction():
        raw.run(INSERT, TOKEN)
        thread.start()
        assert not written.wait(0.2)
    thread.join(10)

    assert written.is_set()
    assert count(store) == 2
    store.close()
    impatient.close()


def test_the_log_is_emptied_into_the_file_and_nothing_is_lost(databases: Databases, store: RawStore) -> None:
    if not databases.sessions.is_sqlite:
        assert store.tidy() == 0
        return
    rows = [(f"{number:064}", "test", "x" * 4000, 5.0) for number in range(TIDY_LOG_BYTES // 4000)]
    log = sessions_file(databases.settings).with_name("sessions.db-wal")
    assert store.tidy() == 0
    with store.lend() as raw, raw.transaction():
        raw.many(INSERT, rows)
    assert log.stat().st_size > TIDY_LOG_BYTES

    assert store.tidy() == 1
    assert log.stat().st_size == 0
    assert count(store) == len(rows)


SESSION = (
    "INSERT INTO session (session_id, token_hash, account_id, epoch, signed_in_at, seen_at, idle_until, expires_at,"
    " remembered, warns, network, browser, factors, assurance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def test_values_come_back_as_they_were_written(store: RawStore) -> None:
    times = (0.1 + 0.2, 1e-7, 1_790_848_800.123456, 1e300)
    row = ("s", "t", "p", -(2**31) + 1, *times, True, False, "", "żółw 🐢 'x' \\ %s $1", "[]", Assurance.PASSWORD)
    with store.lend() as raw:
        assert raw.run(SESSION, row) == 1
        read = raw.all("SELECT * FROM session WHERE session_id = ? AND remembered = ? AND epoch < ?", ("s", True, 0))
        assert raw.all("SELECT * FROM session WHERE session_id = ?", (None,)) == []

    assert read == [row]
    assert [type(value) for value in read[0][3:8]] == [int, float, float, float, float]


def test_null_comes_back_as_none(store: RawStore) -> None:
    insert = (
        "INSERT INTO proxy_granting (pgt_hash, session_id, application_id, proxies, parent_hash, expires_at)"
        " VALUES (?, 's', 'a', '[]', ?, ?)"
    )
    with store.lend() as raw:
        for number, parent in enumerate((None, "above", None)):
            raw.run(insert, (str(number), parent, number))
        found = raw.all("SELECT parent_hash, expires_at FROM proxy_granting ORDER BY pgt_hash")

    assert found == [(None, 0.0), ("above", 1.0), (None, 2.0)]


def test_a_text_with_nul_is_never_taken_for_the_text_before_it(store: RawStore) -> None:
    with store.lend() as raw:
        raw.run(INSERT, TOKEN)
        try:
            found = raw.all("SELECT purpose FROM one_time WHERE token_hash = ?", (f"{TOKEN[0]}\0x",))
        except psycopg.DataError:
            found = []
        assert raw.all("SELECT purpose FROM one_time WHERE token_hash = ?", TOKEN[:1]) == [("test",)]

    assert found == []


def test_a_transaction_that_fails_is_rolled_back_and_the_connection_goes_on(store: RawStore) -> None:
    def fail(raw: Raw) -> None:
        with raw.transaction():
            raw.run(INSERT, TOKEN)
            raise RuntimeError

    with store.lend() as raw:
        with pytest.raises(RuntimeError):
            fail(raw)
        with raw.transaction():
            assert raw.all("SELECT count(*) FROM one_time") == [(0,)]
            raw.run(INSERT, TOKEN)

    assert count(store) == 1


def test_a_connection_that_the_server_closed_is_replaced(store: RawStore, databases: Databases) -> None:
    if databases.sessions.is_sqlite:
        return
    with store.lend() as raw:
        ((pid,),) = raw.all("SELECT pg_backend_pid()")
        with databases.identity.write() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(UNAVAILABLE):
            raw.all("SELECT 1")

    assert count(store) == 0


def test_many_rows_outside_a_transaction_are_all_or_nothing(store: RawStore) -> None:
    with store.lend() as raw, pytest.raises(Exception, match=r"(?i)unique"):
        raw.many(INSERT, [TOKEN, ("b" * 64, "test", "{}", 5.0), TOKEN])

    assert count(store) == 0


def test_many_rows_outside_a_transaction_wait_in_the_queue(databases: Databases, store: RawStore) -> None:
    if databases.sessions.queue is None:
        return  # PostgreSQL's writers do not wait for each other
    written = threading.Event()

    def write() -> None:
        with store.lend() as raw:
            raw.many(INSERT, [TOKEN])
        written.set()

    thread = threading.Thread(target=write)
    with databases.sessions.queue:
        thread.start()
        assert not written.wait(0.2)
    thread.join(10)

    assert written.is_set()


def test_a_restart_of_the_server_fails_no_request(store: RawStore, databases: Databases) -> None:
    if databases.sessions.is_sqlite:
        return
    assert count(store) == 0
    ended = "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = current_database()"
    with databases.identity.write() as other:  # waits until the connections have ended
        assert other.execute(text(f"{ended} AND pid <> pg_backend_pid()")).scalars().all()

    assert [count(store) for _ in range(4)] == [0] * 4  # more often than the pool has connections by now


def test_a_raw_connection_has_the_name_of_its_process(store: RawStore, databases: Databases) -> None:
    if databases.sessions.is_sqlite:
        return
    with store.lend() as raw:
        assert raw.all("SELECT current_setting('application_name')") == [(process_name(),)]
