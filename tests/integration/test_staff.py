"""Staff: invited on the machine, joined by a link, with a real directory."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.accounts.staff import StaffService
from idp.accounts.staff_queries import list_staff
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.db.outbox import MessageState
from idp.db.raw import open_raw
from idp.errors import (
    Conflict,
    InvalidAddress,
    InvalidInput,
    InvalidPassword,
    LastAdministrator,
    NotFound,
    TargetUnavailable,
)
from idp.keys.key_files import Keys
from idp.letters.outgoing import newest_letters
from idp.people.account_queries import Key, find_account
from idp.people.change_queries import next_changes
from idp.people.values import Priority
from idp.permissions import Role
from tests.support.accounts import PASSWORD, Services, make_staff_desk
from tests.support.actors import shell
from tests.support.clock import ManualClock

MAIL = "anna.nowak@po.edu.pl"


@pytest.fixture
def services(slapd: PrivateSlapd) -> Iterator[Services]:
    """The running slapd, without anybody in it, and running again afterwards."""
    with Services(slapd) as services:
        yield services


@pytest.fixture
def desk(databases: Databases, keys: Keys, clock: ManualClock, services: Services) -> Iterator[StaffService]:
    raw_store = open_raw(databases)
    yield make_staff_desk(databases, raw_store, keys, clock, services)
    raw_store.close()


def invite(desk: StaffService, mail: str = MAIL, role: Role = Role.CLERK) -> str:
    """Return the token of a fresh link."""
    link = desk.invite(mail, role, "Anna", "", actor=shell("root"))
    return link.removeprefix("https://estudent.example/staff/join/")


def test_an_invited_person_joins_with_names_and_password_and_can_sign_in(
    desk: StaffService, databases: Databases, services: Services
) -> None:
    token = invite(desk, role=Role.ADMINISTRATOR)
    assert desk.invitation(token).given_name == "Anna"

    joined = desk.join(token, "Anna", "Nowak", PASSWORD, "en")

    dn = services.slapd.settings.person_dn(joined.uid)
    assert services.binds(dn, PASSWORD)
    with databases.identity.read() as connection:
        account = find_account(connection, Key.MAIL, MAIL)
        events = list(connection.execute(select(event_pending.c.kind).order_by(event_pending.c.event_id)).scalars())
    assert account is not None
    assert (account.role, account.display_name, account.enabled, account.is_claimed, account.language) == (
        "administrator",
        "Anna Nowak",
        True,
        True,
        "en",
    )
    assert events == ["letter.queued", "staff.invited", "password.set", "staff.joined"]


def test_the_link_is_owed_as_a_letter_and_lies_sealed(desk: StaffService, databases: Databases) -> None:
    token = invite(desk)

    with databases.identity.read() as connection:
        (letter,) = newest_letters(connection, MessageState.PENDING, 10)
    assert letter.destination == MAIL
    assert token not in f"{letter.content}{letter.once_key}"


def test_until_they_join_the_account_opens_nothing(desk: StaffService, databases: Databases) -> None:
    invite(desk)

    with databases.identity.read() as connection:
        account = find_account(connection, Key.MAIL, MAIL)
        (listed,) = list_staff(connection)
    assert account is not None
    assert not account.enabled
    assert listed.joined_at is None


def test_a_link_works_once(desk: StaffService) -> None:
    token = invite(desk)
    desk.join(token, "Anna", "Nowak", PASSWORD, "pl")

    with pytest.raises(NotFound):
        desk.join(token, "Anna", "Nowak", "kot śpi na piecu cały dzień", "pl")
    with pytest.raises(NotFound):
        desk.invitation(token)


def test_a_link_works_for_seven_days(desk: StaffService, clock: ManualClock) -> None:
    token = invite(desk)
    clock.advance(7 * 24 * 3600 - 1)
    assert desk.invitation(token)
    clock.advance(1)
    with pytest.raises(NotFound):
        desk.join(token, "Anna", "Nowak", PASSWORD, "pl")


def test_a_newer_invitation_takes_the_older_link_away(desk: StaffService, databases: Databases) -> None:
    first = invite(desk, role=Role.ADMINISTRATOR)
    second = invite(desk, role=Role.CLERK)

    with pytest.raises(NotFound):
        desk.join(first, "Anna", "Nowak", PASSWORD, "pl")
    desk.join(second, "Anna", "Nowak", PASSWORD, "pl")

    with databases.identity.read() as connection:
        assert [staff.role for staff in list_staff(connection)] == ["clerk"]


def test_whoever_has_joined_is_not_invited_again(desk: StaffService) -> None:
    desk.join(invite(desk), "Anna", "Nowak", PASSWORD, "pl")

    with pytest.raises(Conflict):
        invite(desk, mail="Anna.Nowak@PO.edu.pl")


@pytest.mark.parametrize("mail", ["", "anna", "anna@", "s12345@student.po.edu.pl", "a@b.pl\nBcc: c@d.pl"])
def test_only_an_address_outside_the_students_domain_is_invited(
    desk: StaffService, databases: Databases, mail: str
) -> None:
    with pytest.raises(InvalidAddress):
        invite(desk, mail=mail)
    with databases.identity.read() as connection:
        assert list_staff(connection) == []


@pytest.mark.parametrize(
    ("given_name", "surname"), [("Anna", ""), ("Anna", "=cmd"), ("Ann\N{CYRILLIC SMALL LETTER A}", "X")]
)
def test_a_name_that_is_none_is_refused_and_the_link_lives_on(
    desk: StaffService, given_name: str, surname: str
) -> None:
    token = invite(desk)

    with pytest.raises(InvalidInput):
        desk.join(token, given_name, surname, PASSWORD, "pl")
    assert desk.invitation(token)


@pytest.mark.parametrize("password", ["krótkie", "Anna lubi koty i psy", "anna.nowak i jej kot", "aaaaaaaaaaaaaaaa"])
def test_the_rules_for_passwords_hold_for_staff_too(desk: StaffService, password: str) -> None:
    token = invite(desk)

    with pytest.raises(InvalidPassword):
        desk.join(token, "Anna", "Nowak", password, "pl")


def test_while_the_directory_is_down_nobody_joins_and_the_link_lives_on(
    desk: StaffService, services: Services, databases: Databases
) -> None:
    token = invite(desk)
    services.slapd.stop()
    with pytest.raises(TargetUnavailable):
        desk.join(token, "Anna", "Nowak", PASSWORD, "pl")
    services.slapd.start()

    again = replace(desk, password_writer=replace(desk.password_writer, directory=services["accounts"]))
    joined = again.join(token, "Anna", "Nowak", PASSWORD, "pl")

    assert services.binds(services.slapd.settings.person_dn(joined.uid), PASSWORD)


def test_a_second_try_after_half_a_join_takes_up_where_it_stopped(
    desk: StaffService, services: Services, databases: Databases
) -> None:
    token = invite(desk)
    uid = desk.invitation(token).account.uid

    def dies(_person_id: str) -> None:
        raise TargetUnavailable("killed")

    with pytest.raises(TargetUnavailable):
        replace(desk, password_writer=replace(desk.password_writer, reconcile_person=dies)).join(
            token, "An", "N", PASSWORD, "pl"
        )

    desk.join(token, "Anna", "Nowak", PASSWORD, "pl")

    found = services["provisioning"].read(services.slapd.settings.person_dn(uid), ["cn", "sn"])
    assert found is not None
    assert (found.values("cn"), found.values("sn")) == (("Anna Nowak",), ("Nowak",))
    assert services.binds(services.slapd.settings.person_dn(uid), PASSWORD)


def test_an_invitation_can_be_withdrawn_until_they_join(desk: StaffService, databases: Databases) -> None:
    token = invite(desk)
    desk.withdraw("Anna.Nowak@PO.edu.pl", shell("root"))

    with pytest.raises(NotFound):
        desk.join(token, "Anna", "Nowak", PASSWORD, "pl")
    with pytest.raises(NotFound):
        desk.withdraw(MAIL, shell("root"))

    desk.join(invite(desk), "Anna", "Nowak", PASSWORD, "pl")
    with pytest.raises(Conflict):
        desk.withdraw(MAIL, shell("root"))


def test_the_last_administrator_is_not_disabled(desk: StaffService, databases: Databases) -> None:
    desk.join(invite(desk, role=Role.ADMINISTRATOR), "Anna", "Nowak", PASSWORD, "pl")
    invite(desk, mail="jan@po.edu.pl", role=Role.ADMINISTRATOR)  # invited is not enough

    with pytest.raises(LastAdministrator):
        desk.disable(MAIL, shell("root"))

    desk.join(invite(desk, mail="jan@po.edu.pl", role=Role.ADMINISTRATOR), "Jan", "Beek", PASSWORD, "pl")
    desk.disable(MAIL, shell("root"))
    desk.disable(MAIL, shell("root"))  # a repeat is harmless
    with pytest.raises(LastAdministrator):
        desk.disable("jan@po.edu.pl", shell("root"))


def test_another_role_counts_at_once_and_is_told_to_the_journal(desk: StaffService, databases: Databases) -> None:
    desk.join(invite(desk, role=Role.ADMINISTRATOR), "Anna", "Nowak", PASSWORD, "pl")
    desk.join(invite(desk, mail="jan@po.edu.pl"), "Jan", "Beek", PASSWORD, "pl")

    assert desk.change_role("Jan@po.edu.pl", Role.OPERATOR, shell("root")).role == "operator"
    desk.change_role("jan@po.edu.pl", Role.OPERATOR, shell("root"))  # a repeat is harmless

    with databases.identity.read() as connection:
        account = find_account(connection, Key.MAIL, "jan@po.edu.pl")
        kinds = select(event_pending.c.kind, event_pending.c.data).where(event_pending.c.kind == "staff.role_changed")
        ((_, data),) = connection.execute(kinds)
        waiting = next_changes(connection, Priority.LIVE, desk.clock.now(), 10)
    assert account is not None
    assert account.role == "operator"
    assert json.loads(data) == {"before": "clerk", "after": "operator"}
    assert account.account_id in waiting


def test_a_role_is_changed_of_somebody_who_joined_and_never_of_the_last_administrator(desk: StaffService) -> None:
    desk.join(invite(desk, role=Role.ADMINISTRATOR), "Anna", "Nowak", PASSWORD, "pl")
    invite(desk, mail="jan@po.edu.pl")

    with pytest.raises(LastAdministrator):
        desk.change_role(MAIL, Role.CLERK, shell("root"))
    with pytest.raises(Conflict, match="not joined"):
        desk.change_role("jan@po.edu.pl", Role.OPERATOR, shell("root"))
    with pytest.raises(NotFound):
        desk.change_role("nobody@po.edu.pl", Role.CLERK, shell("root"))
