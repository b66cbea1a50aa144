"""Bad feeds: each is stopped with the right word; one that an operator lets in still writes nothing over the limits."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select

from idp import permissions
from idp.db.databases import Databases, identity_file, open_databases, sessions_file
from idp.db.settings import StoreSettings
from idp.errors import RefusedSource, UnsafePlan
from idp.keys.key_files import Keys
from idp.people.settings import PeopleSettings
from idp.people.tables import account
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.values import Kind
from idp.registry.reasons import ACCEPTABLE, Refusal
from idp.registry.sample.export import Order, write_sample
from tests.support.bad_feeds import GRAMMAR, BadFeed, Made, Rows, as_bytes, rows_of
from tests.support.clock import ManualClock
from tests.support.counts import Counts
from tests.support.databases import SqliteTemplate
from tests.support.imports import ZONE, Registry

PEOPLE = 200


@dataclass(frozen=True)
class University:
    """People who were imported and carried out, copied for each try."""

    folder: Path
    keys: Keys
    good: Rows
    counts: Counts

    @contextmanager
    def copy(self) -> Iterator[Registry]:
        fresh = StoreSettings(folder=self.folder / os.urandom(8).hex())
        fresh.folder.mkdir()
        base = StoreSettings(folder=self.folder / "base")
        for file in (identity_file, sessions_file):
            shutil.copyfile(file(base), file(fresh))
        databases = open_databases(fresh)
        try:
            yield Registry(databases, self.keys, ManualClock())
        finally:
            databases.close()
            shutil.rmtree(fresh.folder)


@pytest.fixture
def university(sqlite_template: SqliteTemplate, tmp_path: Path, keys: Keys, counts: Counts) -> University:
    text = StringIO()
    write_sample(Order(PEOPLE, seed=4, dirty=False), text)
    file = tmp_path / "good.csv"
    file.write_text(text.getvalue(), encoding="utf-8")
    with sqlite_template.databases(tmp_path / "base") as databases:
        registry = Registry(databases, keys, ManualClock())
        assert registry.take(file).added == PEOPLE
        registry.carry_out()
    return University(tmp_path, keys, rows_of(text.getvalue()), counts)


def doors(databases: Databases) -> dict[str, bool]:
    with databases.identity.read() as connection:
        rows = connection.execute(select(account.c.account_id, account.c.enabled))
        return {row.account_id: row.enabled for row in rows}


def guarded(registry: Registry) -> Provisioner:
    """Provisioning of accounts with the limits that an installation begins with."""
    targets = {"accounts": AccountsTarget(registry.databases.identity)}
    return Provisioner(registry.databases, targets, PeopleSettings(), ProvisioningSettings(), ZONE, registry.clock)


@pytest.mark.parametrize("made", GRAMMAR, ids=lambda made: made.__name__)
def test_a_bad_feed_is_stopped_with_the_right_word_and_closes_nobody(university: University, made: Made) -> None:
    @settings(max_examples=university.counts.feeds, suppress_health_check=[HealthCheck.too_slow])
    @given(feed=made(university.good))
    def holds(feed: BadFeed) -> None:
        with university.copy() as registry:
            before, file = doors(registry.databases), university.folder / "bad.csv"
            stored = registry.content()
            file.write_bytes(feed.content)

            with pytest.raises(RefusedSource) as refused:
                registry.take(file)

            assert refused.value.reason in feed.reasons
            assert registry.content() == stored
            assert doors(registry.databases) == before

    holds()


def test_of_a_file_cut_down_to_an_old_row_what_is_said_is_that_people_are_missing(university: University) -> None:
    oldest = min(university.good, key=lambda row: row[-1])
    with university.copy() as registry:
        file = university.folder / "cut.csv"
        file.write_bytes(as_bytes([oldest]))

        with pytest.raises(RefusedSource) as refused:
            registry.take(file)

    assert refused.value.reason is Refusal.FEWER_PEOPLE


@pytest.mark.parametrize("made", GRAMMAR, ids=lambda made: made.__name__)
def test_one_that_an_operator_lets_in_still_writes_nothing_over_the_limits(university: University, made: Made) -> None:
    @settings(max_examples=university.counts.feeds, suppress_health_check=[HealthCheck.too_slow])
    @given(feed=made(university.good))
    def holds(feed: BadFeed) -> None:
        with university.copy() as registry:
            before, file = doors(registry.databases), university.folder / "bad.csv"
            file.write_bytes(feed.content)
            with suppress(RefusedSource):  # of what nobody may accept
                registry.take(file, accept=tuple(ACCEPTABLE))
            provisioner = guarded(registry)
            most = provisioner.settings.limits_of("accounts")[Kind.DISABLE].most(len(before))

            plan = make_plan(provisioner, permissions.SYSTEM)
            if plan.violations:
                with pytest.raises(UnsafePlan):
                    apply_run(provisioner, plan.run_id, permissions.SYSTEM)
            else:
                apply_run(provisioner, plan.run_id, permissions.SYSTEM)

            after = doors(registry.databases)
            closed = [person for person, was_open in before.items() if was_open and not after[person]]
            assert len(closed) <= (0 if plan.violations else most)
            if plan.violations:
                assert {person: after[person] for person in before} == before

    holds()
