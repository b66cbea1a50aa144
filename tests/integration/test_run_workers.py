"""Two workers over one PostgreSQL carry out one run while one of them, or the database, is disturbed."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.openldap.private import PrivateSlapd
from deploy.postgresql.private import PrivatePostgres
from idp.audit import event_types
from idp.clock import Clock
from idp.db import workers
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.provisioning.executor import result_of
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from tests.support.actors import shell
from tests.support.databases import PostgresDatabase
from tests.support.provisioning import add_students, make_provisioner, waiting
from tests.support.run import FOLDER
from tests.support.students import Student
from tests.support.workers import Workers, events_of, hand_over, over, until, workers_over, written

ACTOR = shell("test")
PEOPLE = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(72)]
SETTINGS: dict[str, Any] = {"batch": 4, "chunk": 8, "canary": 5, "target_patience_s": 1.0}
LIVENESS_S = 3.0


@pytest.fixture(scope="module")
def own_postgres(pytestconfig: pytest.Config, worker_id: str) -> Iterator[PrivatePostgres]:
    """A server that may be ended."""
    with PrivatePostgres(pytestconfig.stash[FOLDER] / f"own-{worker_id}") as server:
        yield server


@pytest.fixture
def databases(own_postgres: PrivatePostgres, worker_id: str) -> Iterator[Databases]:
    made = PostgresDatabase.make(own_postgres.url("postgres"), f"runs_{worker_id}")
    with made.databases() as databases:
        yield databases


@pytest.fixture
def provisioner(databases: Databases, directory: PrivateSlapd) -> Iterator[Provisioner]:
    made = make_provisioner(databases, directory, Clock(), **SETTINGS)
    yield made
    made.close()


@pytest.fixture
def run_id(provisioner: Provisioner, keys: Keys) -> str:
    """A plan that makes everybody, in chunks of eight."""
    add_students(provisioner.databases, keys, PEOPLE)
    return make_plan(provisioner, ACTOR).run_id


@pytest.fixture
def two(tmp_path: Path, databases: Databases, directory: PrivateSlapd) -> Iterator[Workers]:
    """Two workers, at a pace that leaves time to disturb them."""
    told = {"jobs": {"liveness_s": LIVENESS_S}, "ldap": {"timeout_s": 5.0}, "paces": {"ldap": 8}}
    with workers_over(tmp_path, databases, directory, provisioning=SETTINGS, **told) as made:
        made.start(release="1.0")
        made.start(release="1.0")
        yield made


def require_everything(provisioner: Provisioner, run_id: str) -> None:
    became = result_of(provisioner, run_id)
    assert (became.run.state, became.done, became.is_complete) == (RunState.APPLIED, len(PEOPLE), True)
    assert len(list(provisioner.targets["ldap"].read())) == len(PEOPLE)
    assert waiting(provisioner.databases) == 0
    assert make_plan(provisioner, ACTOR).changes == 0
    # What was written twice says so twice, and did no harm.
    assert events_of(provisioner.databases, event_types.TARGET_CHANGED, run_id) >= len(PEOPLE)


def logs(two: Workers) -> Callable[[], str]:
    return lambda: "\n---\n".join(two.log(number) for number in range(len(two.running)))


def test_two_workers_share_a_run(provisioner: Provisioner, two: Workers, run_id: str) -> None:
    hand_over(provisioner, run_id)
    until(over(provisioner, run_id), why=logs(two))

    require_everything(provisioner, run_id)
    assert events_of(provisioner.databases, event_types.TARGET_CHANGED, run_id) == len(PEOPLE)
    assert ["engine started" in two.log(number) for number in (0, 1)] == [True, True]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed_for_good_is_replaced_by_the_other(
    provisioner: Provisioner, two: Workers, run_id: str, victim: int
) -> None:
    hand_over(provisioner, run_id)
    until(written(provisioner, run_id, at_least=15), why=logs(two))
    two.running[victim].kill()

    until(over(provisioner, run_id), why=logs(two))
    require_everything(provisioner, run_id)


def test_a_worker_that_falls_silent_is_replaced_and_does_no_harm_when_it_wakes(
    provisioner: Provisioner, two: Workers, run_id: str
) -> None:
    hand_over(provisioner, run_id)
    until(written(provisioner, run_id, at_least=15), why=logs(two))
    two.running[0].send_signal(signal.SIGSTOP)

    until(over(provisioner, run_id), why=logs(two))
    two.running[0].send_signal(signal.SIGCONT)
    until(lambda: len(alive(provisioner)) == 2, why=logs(two))

    require_everything(provisioner, run_id)


def test_a_worker_that_is_woken_in_mid_run_does_no_harm(provisioner: Provisioner, two: Workers, run_id: str) -> None:
    hand_over(provisioner, run_id)
    until(written(provisioner, run_id, at_least=15), why=logs(two))
    two.running[0].send_signal(signal.SIGSTOP)
    until(lambda: len(alive(provisioner)) == 1, why=logs(two))
    until(written(provisioner, run_id, at_least=45), why=logs(two))
    two.running[0].send_signal(signal.SIGCONT)

    until(over(provisioner, run_id), why=logs(two))
    require_everything(provisioner, run_id)


def test_workers_are_upgraded_in_mid_run(provisioner: Provisioner, two: Workers, run_id: str) -> None:
    hand_over(provisioner, run_id)
    for number in (0, 1):
        until(written(provisioner, run_id, at_least=12 + 18 * number), why=logs(two))
        two.running[number].terminate()
        two.start(release="2.0")

    until(over(provisioner, run_id), why=logs(two))
    require_everything(provisioner, run_id)
    assert [child.wait(timeout=20) for child in two.running[:2]] == [0, 0]
    assert {one.version for one in alive(provisioner)} == {"2.0"}


def test_the_database_is_restarted_in_mid_run(
    provisioner: Provisioner, two: Workers, run_id: str, own_postgres: PrivatePostgres
) -> None:
    hand_over(provisioner, run_id)
    until(written(provisioner, run_id, at_least=15), why=logs(two))
    own_postgres.crash()
    own_postgres.start_again()

    until(over(provisioner, run_id), why=logs(two))
    require_everything(provisioner, run_id)


def alive(provisioner: Provisioner) -> list[workers.Worker]:
    with provisioner.databases.sessions.read() as connection:
        return workers.alive(connection, provisioner.clock.timestamp())
