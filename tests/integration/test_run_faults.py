"""A directory fails in the middle of a run: no intent is lost, and all is there soon after it recovers."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.openldap.private import PrivateSlapd
from deploy.processes import free_port
from idp.audit import event_types
from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import TargetUnavailable
from idp.keys.key_files import Keys
from idp.provisioning import run_steps
from idp.provisioning.executor import apply_run, result_of
from idp.provisioning.health import health_of
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import RunState
from tests.support import slapd_faults
from tests.support.clock import ManualClock
from tests.support.provisioning import (
    add_students,
    change_person,
    change_status,
    make_provisioner,
    make_target,
    waiting,
)
from tests.support.rounds import ACTOR, OUTAGE_S, RECOVERY_S, after, rounds_for, seconds_until_over
from tests.support.slapd_faults import Fault, SlowLine
from tests.support.students import Student
from tests.support.workers import events_of, hand_over, over, settled, until, workers_over, written

PEOPLE = [Student(f"{number:032x}", album=str(10_000 + number)) for number in range(90)]
THERE = PEOPLE[:60]
SETTINGS: dict[str, Any] = {"batch": 10, "canary": 5, "target_retry_most_s": 4.0, "target_patience_s": 1.0}


@pytest.fixture
def own_slapd(tmp_path: Path) -> Iterator[PrivateSlapd]:
    """A directory at one port for all its lives; a new one, as people who were removed leave room in its file."""
    with PrivateSlapd(tmp_path / "slapd", port=free_port(), durable=False, dies_with_us=True) as slapd:
        yield slapd


@pytest.fixture
def provisioner(databases: Databases, own_slapd: PrivateSlapd) -> Iterator[Provisioner]:
    made = make_provisioner(databases, own_slapd, Clock(), **SETTINGS)
    yield made
    made.close()


def planned(provisioner: Provisioner, keys: Keys) -> str:
    """Return a run that makes people, changes some and shuts others."""
    add_students(provisioner.databases, keys, THERE)
    apply_run(provisioner, make_plan(provisioner, ACTOR).run_id, ACTOR)
    for student in PEOPLE[:30]:
        change_person(provisioner.databases, student.person_id, surname="Nowak")
    for student in PEOPLE[30:40]:
        change_status(provisioner.databases, student.person_id, "suspended")
    add_students(provisioner.databases, keys, PEOPLE[60:])
    return make_plan(provisioner, ACTOR).run_id


def require_everything(provisioner: Provisioner, run_id: str) -> None:
    became = result_of(provisioner, run_id)
    assert (became.run.state, became.done, became.is_complete) == (RunState.APPLIED, 70, True)
    entries = {entry.person_id: entry for entry in provisioner.targets["ldap"].read()}
    assert len(entries) == len(PEOPLE)  # nobody was deleted, and everybody was made
    assert {entries[student.person_id].attributes["sn"] for student in PEOPLE[:30]} == {("Nowak",)}
    assert [entries[student.person_id].enabled for student in PEOPLE[30:40]] == [False] * 10
    assert waiting(provisioner.databases) == 0
    assert make_plan(provisioner, ACTOR).changes == 0


@pytest.mark.parametrize(
    "fault",
    [
        slapd_faults.gone,
        slapd_faults.frozen,
        slapd_faults.read_only,
        slapd_faults.disk_full,
        slapd_faults.database_full,
        slapd_faults.busy,
        slapd_faults.half_busy,
        slapd_faults.crowded,
        slapd_faults.restarted,
    ],
    ids=lambda fault: fault.__name__,
)
def test_a_directory_that_fails_in_mid_run_loses_nothing(
    fault: Fault, provisioner: Provisioner, own_slapd: PrivateSlapd, databases: Databases, keys: Keys, tmp_path: Path
) -> None:
    run_id = planned(provisioner, keys)
    with workers_over(
        tmp_path, databases, own_slapd, provisioning=SETTINGS, ldap={"timeout_s": 2.0}, paces={"ldap": 8}
    ) as workers:
        workers.start()
        hand_over(provisioner, run_id)
        until(written(provisioner, run_id, at_least=15), why=workers.log)
        with fault(own_slapd):
            if fault not in (slapd_faults.restarted, slapd_faults.crowded):  # both may go unnoticed
                until(lambda: health_of(provisioner, "ldap") is not None, why=workers.log)
                until(lambda: result_of(provisioner, run_id).run.state == RunState.INCOMPLETE, why=workers.log)
            assert result_of(provisioner, run_id).rejected == 0
        recovered_s = until(over(provisioner, run_id), RECOVERY_S, why=workers.log)
        assert recovered_s < RECOVERY_S
        until(lambda: health_of(provisioner, "ldap") is None, why=workers.log)

    require_everything(provisioner, run_id)


@pytest.mark.parametrize(
    "fault",
    [
        slapd_faults.gone,
        slapd_faults.frozen,
        slapd_faults.read_only,
        slapd_faults.disk_full,
        slapd_faults.busy,
        slapd_faults.half_busy,
    ],
    ids=lambda fault: fault.__name__,
)
def test_with_the_waits_as_shipped_all_is_there_within_a_minute_of_recovery(
    fault: Fault, databases: Databases, own_slapd: PrivateSlapd, clock: ManualClock, keys: Keys
) -> None:
    ldap = make_target(own_slapd, timeout_s=0.3)
    provisioner = make_provisioner(databases, own_slapd, clock, others={"ldap": ldap}, batch=10)
    run_id = planned(provisioner, keys)
    with ExitStack() as outage:
        begins = after(25, lambda: outage.enter_context(fault(own_slapd)))
        with pytest.raises(TargetUnavailable):
            apply_run(provisioner, run_id, ACTOR, progress=begins)
        rounds_for(provisioner, OUTAGE_S)
        became = result_of(provisioner, run_id)
        assert (became.run.state, became.rejected) == (RunState.INCOMPLETE, 0)
        assert became.done >= 25
        assert became.left > 0

    assert seconds_until_over(provisioner, run_id, 2 * RECOVERY_S) < RECOVERY_S
    require_everything(provisioner, run_id)
    assert health_of(provisioner, "ldap") is None
    provisioner.close()


def test_a_directory_far_away_is_only_slow(
    provisioner: Provisioner, own_slapd: PrivateSlapd, databases: Databases, keys: Keys, tmp_path: Path
) -> None:
    run_id = planned(provisioner, keys)
    line = SlowLine(own_slapd.port, delay_s=0.05)
    try:
        with workers_over(tmp_path, databases, own_slapd, provisioning=SETTINGS) as workers:
            workers.start(directory={"url": f"ldap://127.0.0.1:{line.port}"})
            hand_over(provisioner, run_id)
            until(over(provisioner, run_id), why=workers.log)
    finally:
        line.close()

    require_everything(provisioner, run_id)


def test_a_pause_stops_between_two_batches_and_nothing_is_done_twice(
    provisioner: Provisioner, own_slapd: PrivateSlapd, databases: Databases, keys: Keys, tmp_path: Path
) -> None:
    run_id = planned(provisioner, keys)
    with workers_over(tmp_path, databases, own_slapd, provisioning=SETTINGS, paces={"ldap": 8}) as workers:
        workers.start()
        hand_over(provisioner, run_id)
        until(written(provisioner, run_id, at_least=15), why=workers.log)
        run_steps.pause(provisioner, run_id, ACTOR)
        done = settled(provisioner, run_id)
        assert 15 <= done < 70
        assert result_of(provisioner, run_id).run.state == RunState.PAUSED
        run_steps.resume(provisioner, run_id, ACTOR)
        until(over(provisioner, run_id), why=workers.log)

    require_everything(provisioner, run_id)
    assert events_of(databases, event_types.TARGET_CHANGED, run_id) == 70
