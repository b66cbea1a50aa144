"""What holds of undoing any run after any history, over a real directory and a real store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.openldap.private import PrivateSlapd
from idp.accounts.locks import lock_account, unlock_account
from idp.db.databases import Databases
from idp.drivers.ldap_values import Replace
from idp.keys.key_files import Keys
from idp.people.snapshot import PersonSnapshot
from idp.provisioning import run_queries
from idp.provisioning.desired import desired
from idp.provisioning.executor import apply_run
from idp.provisioning.pins import ACCESS, key_of, parts_below, parts_of
from idp.provisioning.planning import Scope, make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState
from idp.provisioning.targets.accounts import AccountsTarget
from idp.provisioning.undo import drop_pins, make_undo
from idp.provisioning.values import NAME, SWITCH, Entry
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.counts import Counts
from tests.support.databases import SqliteTemplate
from tests.support.provisioning import (
    Eyes,
    add_students,
    change_person,
    change_status,
    choose_mail_name,
    make_provisioner,
)
from tests.support.students import Student

ACTOR = shell("tester")
PEOPLE = [Student(f"{number:032x}", album=str(1000 + number)) for number in range(5)]
WHO = st.integers(0, len(PEOPLE) - 1)
STATUSES = ["active", "suspended", "leave", "cancelled", "graduated_diploma"]
RECORDS = st.one_of(
    st.tuples(st.just("surname"), WHO, st.sampled_from(["Nowak", "Zając", "Żak", "van Beek"])),
    st.tuples(st.just("given_name"), WHO, st.sampled_from(["Anna", "Ewa", ""])),
    st.tuples(st.just("status"), WHO, st.sampled_from(STATUSES)),
    st.tuples(st.just("mail"), WHO, st.just("")),
    st.tuples(st.just("arrives"), WHO, st.just("")),
)
IMPORT = st.tuples(st.just("import"), st.lists(RECORDS, min_size=2, max_size=6))
UNDO = st.tuples(st.just("undo"), st.integers(0, 3))
OTHER = st.one_of(
    st.tuples(st.just("release"), st.integers(0, 3)),
    st.tuples(st.just("meddle"), WHO),
    st.tuples(st.just("hold or let go"), WHO),
)
# A history: some arrive, and then imports (several changes of records, and a run), and undos of a run so many runs ago.
HISTORY = st.tuples(
    st.just(("import", [("arrives", who, "") for who in range(3)])),
    IMPORT,
    st.one_of(IMPORT, UNDO, OTHER),
    UNDO,
    st.one_of(IMPORT, UNDO, OTHER),
    st.one_of(IMPORT, UNDO, OTHER),
    st.one_of(IMPORT, UNDO),
)

State = dict[str, Entry]


@dataclass(frozen=True)
class Bench:
    """Makes fresh installations over one directory, as many as a property asks for."""

    template: SqliteTemplate
    folder: Path
    directory: PrivateSlapd
    keys: Keys
    counts: Counts

    @contextmanager
    def fresh(self) -> Iterator["World"]:
        self.directory.reset()
        eyes = Eyes(self.directory)
        with self.template.databases(self.folder / token_hex(8)) as databases:
            ours = {"accounts": AccountsTarget(databases.identity)}
            provisioner = make_provisioner(databases, self.directory, ManualClock(), others=ours, canary=0)
            yield World(provisioner, databases, self.keys, self.directory, eyes)
            provisioner.close()
        eyes.directory.close()

    @property
    def often(self) -> settings:
        return settings(max_examples=self.counts.store_examples)


@pytest.fixture
def bench(
    sqlite_template: SqliteTemplate, tmp_path: Path, directory: PrivateSlapd, keys: Keys, counts: Counts
) -> Bench:
    return Bench(sqlite_template, tmp_path, directory, keys, counts)


@dataclass
class World:
    """One installation and its history."""

    provisioner: Provisioner
    databases: Databases
    keys: Keys
    directory: PrivateSlapd
    eyes: Eyes
    known: set[int] = field(default_factory=set)
    with_mail: set[int] = field(default_factory=set)
    locked: set[int] = field(default_factory=set)
    history: list[str] = field(default_factory=list)  # runs that wrote something
    enabled: set[tuple[str, str, str]] = field(default_factory=set)  # by undos: target, person, why the records close

    def state(self) -> State:
        return {entry.person_id: entry for entry in self.provisioner.targets["ldap"].read()}

    def asked(self) -> State:
        """What the records ask for, with nothing held back."""
        target = self.provisioner.targets["ldap"]
        snapshots = self.snapshots()
        return {person_id: desired(snapshots[person_id], target.attributes) for person_id in self.state()}

    def snapshots(self) -> dict[str, PersonSnapshot]:
        ids = [PEOPLE[who].person_id for who in sorted(self.known)]
        with self.databases.identity.read() as connection:
            seen = self.provisioner.load(connection, ids)
        return {each.snapshot.person_id: each.snapshot for each in seen}

    def hold_or_let_go(self, who: int) -> None:
        clock, person_id = self.provisioner.clock, PEOPLE[who].person_id
        if who in self.locked:
            self.locked.remove(who)
            unlock_account(self.databases, clock, person_id, ACTOR)
        elif who in self.known:
            self.locked.add(who)
            lock_account(self.databases, clock, person_id, ACTOR, "asked for by phone")
        self.run()

    def change(self, what: str, who: int, value: str) -> None:
        student = PEOPLE[who]
        if who not in self.known:
            self.known.add(who)
            add_students(self.databases, self.keys, [student])
        if what in ("surname", "given_name"):
            change_person(self.databases, student.person_id, **{what: value})
        elif what == "status":
            change_status(self.databases, student.person_id, value)
        elif what == "mail" and who not in self.with_mail:
            self.with_mail.add(who)
            choose_mail_name(self.databases, student.person_id, f"p{who}x@student.po.edu.pl", f"s{1000 + who}@x.pl")

    def run(self) -> None:
        run = make_plan(self.provisioner, ACTOR, scope=Scope.ALL)  # somebody may have meddled
        if run.changes:
            assert apply_run(self.provisioner, run.run_id, ACTOR).is_complete
            self.history.append(run.run_id)
        self.see_who_is_let_in()

    def see_who_is_let_in(self) -> None:
        """See that nobody is open whom a human holds, nor against another reason than one that an undo took back."""
        snapshots = self.snapshots()
        for kind, target in self.provisioner.targets.items():
            for entry in target.read():
                snapshot = snapshots[entry.person_id]
                if entry.enabled and not snapshot.may_sign_in:
                    assert not snapshot.is_locked
                    assert (kind, entry.person_id, snapshot.status.reason) in self.enabled

    def meddle(self, who: int) -> None:
        if PEOPLE[who].person_id in self.state():
            dn = self.directory.settings.person_dn(PEOPLE[who].uid)
            self.eyes.directory.modify(dn, [Replace("sn", ["Meddled"]), Replace("telephoneNumber", ["1"])])

    def undo(self, ago: int) -> None:
        """Undo a run, and see that exactly what it changed, and nobody changed since, is as it was before."""
        run_id = self.history[-1 - ago]
        before, snapshots = self.state(), self.snapshots()
        undo = make_undo(self.provisioner, run_id, ACTOR)
        if undo.changes:
            assert apply_run(self.provisioner, undo.run_id, ACTOR).is_complete
            self.history.append(undo.run_id)
            with self.databases.identity.read() as connection:
                rows = run_queries.changes_of(connection, undo.run_id, state=ChangeState.DONE)
            self.enabled |= {
                (row.target, row.person_id, snapshots[row.person_id].status.reason)
                for row in rows
                if row.kind == "enable"
            }
        assert self.state() == self.expected_after_undo(run_id, before)

    def expected_after_undo(self, run_id: str, there: State) -> State:
        """What the specification says, without asking the code that plans it."""
        with self.databases.identity.read() as connection:
            rows = run_queries.changes_of(connection, run_id, state=ChangeState.DONE, target="ldap")
        expected, snapshots = dict(there), self.snapshots()
        for row in rows:
            found = there[row.person_id]
            if row.before is None:
                expected[row.person_id] = locked(found)
                continue
            assert row.after is not None  # nothing is removed here
            was = parts_of(Entry.from_json(row.person_id, row.before))
            wrote = parts_of(Entry.from_json(row.person_id, row.after))
            snapshot = snapshots[row.person_id]
            is_shut_anew = snapshot.is_locked or not (snapshot.may_sign_in or snapshot.status.reason == row.cause)
            expected[row.person_id] = self.put_back(found, was, wrote, may_enable=not is_shut_anew)
        return expected

    def put_back(
        self,
        found: Entry,
        was: Mapping[str, tuple[str, ...]],
        wrote: Mapping[str, tuple[str, ...]],
        *,
        may_enable: bool,
    ) -> Entry:
        """Put back each key below which nothing was changed since; access not at all, where it must stay shut."""
        target = self.provisioner.targets["ldap"]
        now = dict(parts_of(found))
        parts = dict(now)
        changed = {name for name in {*was, *wrote} if was.get(name, ()) != wrote.get(name, ())}
        for key in {key_of(target, name) for name in changed} - {None}:
            assert key is not None
            below = parts_below(target, key)
            if any(now.get(name, ()) not in (was.get(name, ()), wrote.get(name, ())) for name in below):
                continue
            enables = key == ACCESS and now[SWITCH] == ("false",) and was[SWITCH] == ("true",)
            if may_enable or not enables:
                parts |= {name: was.get(name, ()) for name in below}
        return entry_of(found, parts)


def entry_of(found: Entry, parts: Mapping[str, tuple[str, ...]]) -> Entry:
    attributes = {name: values for name, values in parts.items() if not name.startswith("(")}
    return Entry(found.person_id, parts[NAME][0], parts[SWITCH] == ("true",), attributes)


def locked(entry: Entry) -> Entry:
    if not entry.enabled:
        return entry
    gone = ("eduPersonAffiliation", "eduPersonPrimaryAffiliation", "eduPersonScopedAffiliation")
    attributes = {
        name: values for name, values in entry.attributes.items() if name not in (*gone, "schacPersonalUniqueCode")
    }
    return Entry(entry.person_id, entry.name, False, {**attributes, "idpStatus": ("suspended",)})


def test_an_undo_restores_every_managed_attribute_of_exactly_what_the_run_changed(bench: Bench) -> None:
    @bench.often
    @given(history=HISTORY)
    def prove(history: tuple[tuple[str, object], ...]) -> None:
        with bench.fresh() as world:
            for what, how in history:
                step(world, what, how)

    prove()


def test_what_was_undone_stays_so_and_a_release_makes_everything_as_the_records_ask(bench: Bench) -> None:
    @bench.often
    @given(history=HISTORY)
    def prove(history: tuple[tuple[str, object], ...]) -> None:
        with bench.fresh() as world:
            for what, how in history:
                step(world, what, how)
            world.run()
            assert make_plan(world.provisioner, ACTOR, scope=Scope.ALL).changes == 0
            for run_id in world.history:
                drop_pins(world.provisioner, run_id, ACTOR)
            world.run()
            assert world.state() == world.asked()

    prove()


def step(world: World, what: str, how: object) -> None:
    if what == "import":
        assert isinstance(how, list)
        for change in how:
            world.change(*change)
        world.run()
    elif what == "meddle":
        assert isinstance(how, int)
        world.meddle(how)
    elif what == "hold or let go":
        assert isinstance(how, int)
        world.hold_or_let_go(how)
    elif world.history:
        assert isinstance(how, int)
        ago = how % len(world.history)
        if what == "undo":
            world.undo(ago)
        else:
            drop_pins(world.provisioner, world.history[-1 - ago], ACTOR)
