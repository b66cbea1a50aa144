"""What a worker that went without a goodbye holds in the database is taken from it."""

import os
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from idp.db import workers
from idp.db.databases import Databases
from idp.db.process_names import here, process_name

GONE = "elsewhere/4026531836/4711"
TAKE = "UPDATE worker SET version = '2' WHERE worker_id = 'w'"


def test_the_locks_of_a_silent_worker_are_taken_from_it(databases: Databases) -> None:
    if databases.sessions.is_sqlite:
        with databases.sessions.write() as connection:
            assert workers.cut_off(connection, GONE) == 0
        return
    with databases.sessions.write() as connection:
        workers.sign(connection, "w", 1.0, 10.0)
    assert databases.settings.postgresql_url is not None
    url = databases.settings.postgresql_url.get_secret_value()
    with psycopg.connect(url, application_name=GONE, options="-c search_path=sessions") as silent:
        silent.execute(TAKE)

        with databases.sessions.write() as connection:
            assert workers.cut_off(connection, GONE) == 1
            connection.execute(text(TAKE))

        with pytest.raises(psycopg.OperationalError):
            silent.execute("SELECT 1")


def test_a_process_has_its_name_beside_its_connections(databases: Databases) -> None:
    if databases.sessions.is_sqlite:
        return
    with databases.identity.read() as connection:
        assert connection.execute(text("SHOW application_name")).scalar_one() == process_name()


def test_a_process_says_of_which_boot_of_its_machine_it_is() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")

    assert boot[:12] in here()
    assert process_name() == f"{here()}/{os.getpid()}"
    assert len(process_name()) <= 63
