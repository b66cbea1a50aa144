"""Random plans around the limits, made and applied for real: none over a limit is applied, none under it is stopped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, select, update

from idp import permissions
from idp.db.databases import Databases
from idp.errors import NeedsApproval
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.tables import account, enrolment
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.tables import change, finding, limit_violation, run, run_target, target_state
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Kind
from tests.support.clock import ManualClock
from tests.support.counts import Counts
from tests.support.databases import SqliteTemplate
from tests.support.imports import ZONE
from tests.support.provisioning import add_students
from tests.support.students import Student

PEOPLE = [Student(f"{number:020x}", album=str(1000 + number)) for number in range(12)]
NEVER, CLOSED, OPEN = "never opened", "closed", "open"
KINDS = (Kind.CREATE, Kind.ENABLE, Kind.DISABLE)


@dataclass(frozen=True)
class Case:
    """Where everybody's door stands, who may sign in by the records, and the limits."""

    doors: Sequence[str]
    may: Sequence[bool]
    limits: LimitSettings

    @property
    def population(self) -> int:
        return sum(door != NEVER for door in self.doors)

    @property
    def counts(self) -> "Counter[Kind]":
        kinds = (kind_of(door, may) for door, may in zip(self.doors, self.may, strict=True))
        return Counter(kind for kind in kinds if kind is not None)

    @property
    def is_over(self) -> bool:
        return any(
            count > most(self.limits, kind, self.population) and not (kind is Kind.CREATE and self.population == 0)
            for kind, count in self.counts.items()
        )


def kind_of(door: str, may: bool) -> Kind | None:
    if door == NEVER:
        return Kind.CREATE
    if (door == OPEN) == may:
        return None
    return Kind.ENABLE if may else Kind.DISABLE


def most(limits: LimitSettings, kind: Kind, population: int) -> int:
    values = limits.model_dump()
    share = round(values[f"{kind}_share"] * 100)
    return int(min(values[f"{kind}_count"], max(values[f"{kind}_floor"], share * population // 100)))


def limit_values() -> st.SearchStrategy[LimitSettings]:
    few = st.integers(0, len(PEOPLE))
    return st.fixed_dictionaries(
        {f"{kind}_share": st.integers(0, 100).map(lambda percent: percent / 100) for kind in KINDS}
        | {f"{kind}_floor": few for kind in KINDS}
        | {f"{kind}_count": few for kind in KINDS}
    ).map(LimitSettings.model_validate)


EVERYBODY = len(PEOPLE)
CASES = st.builds(
    Case,
    doors=st.lists(st.sampled_from([NEVER, CLOSED, OPEN]), min_size=EVERYBODY, max_size=EVERYBODY),
    may=st.lists(st.booleans(), min_size=EVERYBODY, max_size=EVERYBODY),
    limits=limit_values(),
)


def set_up(databases: Databases, case: Case) -> None:
    """Bring doors and records to where a case begins; nothing is known of the target, and no run was made."""
    rows = [
        {
            "of": student.person_id,
            "is_open": door == OPEN,
            "times": 0 if door == NEVER else 1,
            "word": "active" if may else "suspended",
        }
        for student, door, may in zip(PEOPLE, case.doors, case.may, strict=True)
    ]
    doors = update(account).where(account.c.account_id == bindparam("of"))
    records = update(enrolment).where(enrolment.c.person_id == bindparam("of"))
    with databases.identity.write() as connection:
        for table in (target_state, change, finding, limit_violation, run_target, run):
            connection.execute(delete(table))
        connection.execute(doors.values(enabled=bindparam("is_open"), epoch=bindparam("times")), rows)
        connection.execute(records.values(status=bindparam("word"), status_from=date(2026, 1, 1)), rows)


def open_doors(databases: Databases) -> list[bool]:
    with databases.identity.read() as connection:
        return list(connection.execute(select(account.c.enabled).order_by(account.c.account_id)).scalars())


@pytest.fixture
def provisioner(fresh: Databases, keys: Keys, clock: ManualClock) -> Provisioner:
    add_students(fresh, keys, PEOPLE)
    targets = {"accounts": AccountsTarget(fresh.identity)}
    return Provisioner(fresh, targets, PeopleSettings(), ProvisioningSettings(), ZONE, clock)


@pytest.fixture
def fresh(sqlite_template: SqliteTemplate, tmp_path: Path) -> Iterator[Databases]:
    with sqlite_template.databases(tmp_path / "data") as opened:
        yield opened


def test_no_plan_over_a_limit_is_applied_and_none_under_it_is_stopped(provisioner: Provisioner, counts: Counts) -> None:
    databases = provisioner.databases

    @settings(max_examples=counts.plans)
    @given(case=CASES)
    def holds(case: Case) -> None:
        set_up(databases, case)
        limited = replace(provisioner, settings=ProvisioningSettings(limits=case.limits))
        before = open_doors(databases)

        plan = make_plan(limited, permissions.SYSTEM, scope=Scope.ALL)

        assert plan.summary["accounts"].counts == {kind.value: count for kind, count in case.counts.items()}
        if case.is_over:
            with pytest.raises(NeedsApproval):
                apply_run(limited, plan.run_id, permissions.SYSTEM)
            assert open_doors(databases) == before
        else:
            assert apply_run(limited, plan.run_id, permissions.SYSTEM).is_complete
            assert open_doors(databases) == list(case.may)

    holds()
