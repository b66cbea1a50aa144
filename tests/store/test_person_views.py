"""The stored view of a person counts only while it says what the records say."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from idp.accounts.locks import lock_account, unlock_account
from idp.applications.registered import RegisteredApplications
from idp.cas.answers import Success
from idp.cas.settings import CasSettings
from idp.cas.tickets import Question, TicketService
from idp.db.databases import Databases
from idp.db.raw import RawStore, open_raw
from idp.drivers.http import Outgoing
from idp.keys.key_files import Keys
from idp.people.account_queries import load_account
from idp.people.change_queries import changes_among, queue_recompute
from idp.people.merge_queries import Merge, begin_merge, end_merge, plan_merge
from idp.people.settings import PeopleSettings
from idp.people.snapshot import load_snapshot
from idp.people.source_queries import PersonSource, add_source, remove_source
from idp.people.tables import account, person_view
from idp.people.values import LockOwner, Source
from idp.people.view_queries import read_view, views_among
from idp.people.views import PersonValues, released_values
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute, recompute_everybody, store
from idp.provisioning.settings import ProvisioningSettings
from idp.sso import sessions
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.provisioning import ZONE, add_students, change_person, change_status, choose_mail_name
from tests.support.students import Student, add_student

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)
ANNA = Student("a" * 32, album="123", given_name="Anna", surname="Nowak", claimed_at=CLAIMED)
OLD = Student("b" * 32, album="456", given_name="Anna", surname="Kowalska", claimed_at=CLAIMED)
NEWCOMER = Student("c" * 32, album="789")
MAIL, ALIAS = "anna.nowak@student.po.edu.pl", "s123@student.po.edu.pl"
SERVICE = "https://app.example/"
REGISTRATION = """id = "app"
name = { pl = "Aplikacja", en = "Application" }
owner = "tests"
attributes = ["cn", "mail", "album", "albums", "role", "preferredLanguage", "programme", "eduPersonAffiliation"]
url = [{ host = "app.example", path = "/" }]
"""


@dataclass
class Rig:
    """People, what computes their views, and an application that asks."""

    databases: Databases
    raw_store: RawStore
    provisioner: Provisioner
    tickets: TicketService
    clock: ManualClock

    def told(self, person_id: str = ANNA.person_id) -> dict[str, list[str]] | None:
        """Sign in, and return what the application is told; None when nobody is let in."""
        with self.databases.identity.read() as connection:
            found = load_account(connection, person_id)
        assert found is not None
        started = sessions.start(self.raw_store, SsoSettings(), self.clock, found, Browser())
        return self.told_in(started.token)

    def told_in(self, token: str) -> dict[str, list[str]] | None:
        session = sessions.find(self.raw_store, SsoSettings(), self.clock, token)
        if session is None:
            return None
        application = self.tickets.applications.current().by_id["app"]
        ticket = self.tickets.issue(session, application, SERVICE, from_new_login=True)
        answer = self.tickets.validate(Question(ticket, SERVICE, wants_attributes=True))
        assert isinstance(answer, Success), answer
        about = ("authenticationDate", "longTermAuthenticationRequestTokenUsed", "isFromNewLogin")
        return {name: list(values) for name, values in answer.attributes.items() if name not in about}

    def recompute(self, *person_ids: str) -> None:
        recompute(self.provisioner, person_ids or [ANNA.person_id])

    def view_counts(self, person_id: str = ANNA.person_id) -> bool:
        """Tell whether the ticket path would use the stored view."""
        people = self.tickets.people
        with self.raw_store.lend() as raw:
            return read_view(raw, person_id, people.key(self.provisioner.today())) is not None

    def forge(self, person_id: str = ANNA.person_id) -> None:
        """Write another name into the stored view: whoever reads the view is told it."""
        content = '{"full_name": ["Somebody Else"]}'
        with self.databases.identity.write() as connection:
            changed = connection.execute(
                update(person_view).where(person_view.c.person_id == person_id).values(content=content)
            )
        assert changed.rowcount == 1

    def reads_the_view(self, person_id: str = ANNA.person_id) -> bool:
        told = self.told(person_id)
        assert told is not None
        return told["cn"] == ["Somebody Else"]


@pytest.fixture
def rig(databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path) -> Iterator[Rig]:
    add_students(databases, keys, [ANNA])
    (tmp_path / "applications").mkdir()
    (tmp_path / "applications" / "app.toml").write_text(REGISTRATION)
    raw_store = open_raw(databases)
    registered = RegisteredApplications([tmp_path / "applications"], [], clock)
    values = PersonValues.over(databases.identity, PeopleSettings())
    tickets = TicketService(raw_store, registered, CasSettings(), values, keys, Outgoing(), clock, ZONE)
    provisioner = Provisioner(
        databases=databases,
        targets={},
        people=PeopleSettings(),
        settings=ProvisioningSettings(),
        zone=ZONE,
        clock=clock,
    )
    made = Rig(databases, raw_store, provisioner, tickets, clock)
    made.recompute()
    yield made
    raw_store.close()


# --- when it counts -------------------------------------------------------------------------------------------------


def test_a_view_that_counts_is_what_the_application_is_told(rig: Rig) -> None:
    from_records = rig.tickets.people.compute(ANNA.person_id, rig.provisioner.today())
    assert rig.told() == {
        "cn": ["Anna Nowak"],
        "album": ["123"],
        "albums": ["123"],
        "preferredLanguage": ["pl"],
        "programme": ["INF1S"],
        "eduPersonAffiliation": ["student", "member"],
    }
    with rig.raw_store.lend() as raw:
        assert rig.tickets.people.of(raw, ANNA.person_id, rig.provisioner.today()) == from_records

    rig.forge()

    assert rig.reads_the_view()


def test_a_view_does_not_count_while_a_change_waits(rig: Rig) -> None:
    rig.forge()
    with rig.databases.identity.write() as connection:
        queue_recompute(connection, [ANNA.person_id])

    assert not rig.reads_the_view()


def test_a_view_does_not_count_under_other_rules(rig: Rig) -> None:
    rig.forge()
    other = PersonValues.over(rig.databases.identity, PeopleSettings(scope="other.example"))
    rig.tickets = replace(rig.tickets, people=other)

    assert not rig.reads_the_view()


def test_a_view_counts_until_the_day_on_which_time_alone_may_change_it(rig: Rig) -> None:
    change_status(rig.databases, ANNA.person_id, "graduated_diploma", date(2026, 9, 1))  # a first-cycle graduate
    rig.recompute()
    assert (rig.told() or {})["eduPersonAffiliation"] == ["student", "member", "alum"]
    rig.forge()
    rig.clock.advance((datetime(2026, 10, 31, 12, tzinfo=UTC) - rig.clock.now()).total_seconds())
    assert rig.reads_the_view()

    rig.clock.advance(timedelta(days=1).total_seconds())

    assert (rig.told() or {})["eduPersonAffiliation"] == ["alum"]  # and nothing was computed meanwhile


def test_nobody_has_a_view_before_their_account_is_claimed(rig: Rig, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [NEWCOMER])
    rig.recompute(NEWCOMER.person_id)
    with databases.identity.read() as connection:
        assert views_among(connection, [NEWCOMER.person_id, ANNA.person_id]).keys() == {ANNA.person_id}

    with databases.identity.write() as connection:
        connection.execute(update(account).where(account.c.account_id == NEWCOMER.person_id).values(claimed_at=CLAIMED))
    rig.recompute(NEWCOMER.person_id)

    assert rig.view_counts(NEWCOMER.person_id)


def test_the_view_goes_with_the_claim(rig: Rig, databases: Databases) -> None:
    with databases.identity.write() as connection:
        connection.execute(update(account).values(claimed_at=None))
    rig.recompute()

    with databases.identity.read() as connection:
        assert views_among(connection, [ANNA.person_id]) == {}


def test_other_rules_write_every_view_again(rig: Rig) -> None:
    settings = PeopleSettings(scope="other.example")
    rig.provisioner = replace(rig.provisioner, people=settings)
    rig.tickets = replace(rig.tickets, people=PersonValues.over(rig.databases.identity, settings))
    assert not rig.view_counts()

    recompute_everybody(rig.provisioner)

    assert rig.view_counts()


def test_older_records_never_leave_a_view_behind(rig: Rig, databases: Databases) -> None:
    """A slow process has read the records. They change, and a fast one computes them, before the slow one stores."""
    change_person(databases, ANNA.person_id, surname="Pierwsza")
    ids = [ANNA.person_id]
    with databases.identity.read() as connection:
        changes = changes_among(connection, ids)
        people = rig.provisioner.load(connection, ids)
    change_person(databases, ANNA.person_id, surname="Druga")
    rig.recompute()

    store(rig.provisioner, ids, people, changes)

    assert rig.view_counts()
    assert (rig.told() or {})["cn"] == ["Anna Druga"]


def test_records_that_change_while_they_are_stored_are_not_taken_from_the_view(rig: Rig, databases: Databases) -> None:
    change_person(databases, ANNA.person_id, surname="Pierwsza")
    ids = [ANNA.person_id]
    with databases.identity.read() as connection:
        changes = changes_among(connection, ids)
        people = rig.provisioner.load(connection, ids)
    change_person(databases, ANNA.person_id, surname="Druga")

    store(rig.provisioner, ids, people, changes)

    assert (rig.told() or {})["cn"] == ["Anna Druga"]


# --- what changes records -------------------------------------------------------------------------------------------


def told_before_and_after_recompute(rig: Rig, *person_ids: str) -> dict[str, list[str]]:
    """Return what is told at once; it is the same after the change was computed, and then the view counts."""
    at_once = rig.told()
    rig.recompute(ANNA.person_id, *person_ids)
    assert rig.told() == at_once
    assert rig.view_counts()
    assert at_once is not None
    return at_once


def test_a_new_name_is_told_at_once(rig: Rig, databases: Databases) -> None:
    change_person(databases, ANNA.person_id, surname="Nowak-Lis")

    assert told_before_and_after_recompute(rig)["cn"] == ["Anna Nowak-Lis"]


def test_another_status_is_told_at_once(rig: Rig, databases: Databases) -> None:
    change_status(databases, ANNA.person_id, "suspended", date(2026, 9, 1))

    assert "eduPersonAffiliation" not in told_before_and_after_recompute(rig)


def test_a_chosen_mail_name_is_told_at_once(rig: Rig, databases: Databases) -> None:
    assert "mail" not in (rig.told() or {})
    choose_mail_name(databases, ANNA.person_id, MAIL, ALIAS)

    assert told_before_and_after_recompute(rig)["mail"] == [MAIL]


def test_a_locked_account_is_told_nothing_of_at_once(rig: Rig, databases: Databases, clock: ManualClock) -> None:
    with databases.identity.read() as connection:
        found = load_account(connection, ANNA.person_id)
    assert found is not None
    token = sessions.start(rig.raw_store, SsoSettings(), clock, found, Browser()).token
    assert rig.told_in(token) is not None
    rig.forge()

    lock_account(databases, clock, ANNA.person_id, SHELL, "lost telephone", LockOwner.OPERATOR)

    assert rig.told_in(token) is None
    unlock_account(databases, clock, ANNA.person_id, SHELL, LockOwner.OPERATOR)
    assert rig.told_in(token) is None  # from before the lock


def test_a_merge_and_its_end_are_told_at_once(rig: Rig, databases: Databases, keys: Keys) -> None:
    add_students(databases, keys, [OLD])
    choose_mail_name(databases, OLD.person_id, MAIL, ALIAS)
    rig.recompute(OLD.person_id)
    alone = rig.told()
    with databases.identity.write() as connection:
        plan_merge(connection, Merge("r" * 32, ANNA.person_id, OLD.person_id, CLAIMED, "tests"))
        assert begin_merge(connection, "r" * 32)
        queue_recompute(connection, [ANNA.person_id, OLD.person_id])  # as idp.provisioning.merging does

    merged = told_before_and_after_recompute(rig, OLD.person_id)
    assert (merged["mail"], merged["albums"]) == ([MAIL], ["123", "456"])
    change_status(databases, OLD.person_id, "leave")  # of the other record: it counts for the kept one too
    assert not rig.view_counts()
    rig.recompute(ANNA.person_id, OLD.person_id)

    with databases.identity.write() as connection:
        assert end_merge(connection, "r" * 32, "s" * 32)
        queue_recompute(connection, [ANNA.person_id, OLD.person_id])
    assert told_before_and_after_recompute(rig, OLD.person_id) == alone


def test_whoever_joins_and_leaves_staff_is_told_at_once(rig: Rig, databases: Databases) -> None:
    with databases.identity.write() as connection:
        add_source(connection, ANNA.person_id, PersonSource(Source.STAFF, "anna"), CLAIMED)
        connection.execute(update(account).where(account.c.account_id == ANNA.person_id).values(role="clerk"))
        queue_recompute(connection, [ANNA.person_id])
    told = told_before_and_after_recompute(rig)
    assert (told["role"], told["eduPersonAffiliation"]) == (["clerk"], ["student", "staff", "member"])

    with databases.identity.write() as connection:
        remove_source(connection, ANNA.person_id, Source.STAFF)
        queue_recompute(connection, [ANNA.person_id])
    assert told_before_and_after_recompute(rig)["eduPersonAffiliation"] == ["student", "member"]


# --- one rule for every system --------------------------------------------------------------------------------------


def test_a_merged_person_who_is_staff_too_is_the_same_in_every_system(
    rig: Rig, databases: Databases, keys: Keys
) -> None:
    """The source says who is staff: here it is the merged record's. The role of an account says nothing about it."""
    add_student(databases, keys, OLD)
    with databases.identity.write() as connection:
        add_source(connection, OLD.person_id, PersonSource(Source.STAFF, "anna"), CLAIMED)
        plan_merge(connection, Merge("r" * 32, ANNA.person_id, OLD.person_id, CLAIMED, "tests"))
        assert begin_merge(connection, "r" * 32)
        queue_recompute(connection, [ANNA.person_id, OLD.person_id])
        person = load_snapshot(connection, ANNA.person_id, PeopleSettings(), rig.provisioner.today())
    assert person is not None

    told = told_before_and_after_recompute(rig, OLD.person_id)

    assert told["eduPersonAffiliation"] == ["student", "staff", "member"]
    assert told["eduPersonAffiliation"] == list(person.status.affiliations)  # what LDAP and Keycloak are given
    assert released_values(person)["affiliations"] == told["eduPersonAffiliation"]
