"""Members of staff are persons: the same machinery writes, locks and unlocks their entries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.app.installation import Idp
from idp.app.settings import load_settings
from idp.clock import Clock
from idp.errors import LastAdministrator
from idp.people.account_queries import Account, Key, find_account
from idp.people.queries import review_everybody
from idp.people.snapshot import load_snapshot, load_snapshots
from idp.people.source_queries import PersonSource, add_source
from idp.people.values import Source
from idp.permissions import SYSTEM, Role
from idp.provisioning.merging import make_merge
from idp.provisioning.planning import Scope, make_plan
from idp.registry.reviews import review_statuses
from idp.sso import sessions
from idp.sso.sessions import Browser
from idp.sso.settings import SsoSettings
from tests.support.accounts import PASSWORD
from tests.support.actors import shell
from tests.support.installation import installed
from tests.support.provisioning import Eyes, add_students
from tests.support.students import SEEN, Student
from tests.support.terminal import Terminal

ANNA = Student("a" * 20, album="123", given_name="Anna", surname="Kowalska")
MAIL, BOSS = "ewa.kowal@po.edu.pl", "jan.beek@po.edu.pl"
ACTOR = shell("tester")


@pytest.fixture
def terminal(tmp_path: Path, directory: PrivateSlapd, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, directory, monkeypatch)


@pytest.fixture
def installation(terminal: Terminal) -> Iterator[Idp]:
    with installed(load_settings(), Clock()) as opened:
        add_students(opened.databases, opened.keys, [ANNA])
        terminal.run("apply")
        yield opened


def join(installation: Idp, mail: str = MAIL, role: Role = Role.CLERK) -> Account:
    link = installation.staff_service.invite(mail, role, "Ewa", "Kowal", shell("root"))
    installation.staff_service.join(link.rsplit("/", 1)[-1], "Ewa", "Kowal", PASSWORD, "en")
    return account_of(installation, mail)


def account_of(installation: Idp, mail: str) -> Account:
    with installation.databases.identity.read() as connection:
        account = find_account(connection, Key.MAIL, mail)
    assert account is not None
    return account


def binds(installation: Idp, account: Account) -> bool:
    return installation.signin_directory.bind(installation.settings.directory.person_dn(account.uid), PASSWORD)


def test_who_joins_has_an_entry_at_once_and_no_plan_finds_anything_to_change(installation: Idp, eyes: Eyes) -> None:
    ewa = join(installation)

    assert (ewa.enabled, ewa.is_claimed, binds(installation, ewa)) == (True, True, True)
    entry = eyes.entry(ewa.uid, ["cn", "sn", "mail", "idpStatus", "eduPersonAffiliation"])
    assert entry is not None
    assert (entry.values("cn"), entry.values("sn"), entry.values("mail")) == (("Ewa Kowal",), ("Kowal",), (MAIL,))
    assert set(entry.values("eduPersonAffiliation")) == {"staff", "member"}
    assert make_plan(installation.provisioner, ACTOR, scope=Scope.ALL).changes == 0


def test_disabling_is_a_lock_at_every_door_and_nothing_but_enabling_opens_it(
    terminal: Terminal, installation: Idp, eyes: Eyes
) -> None:
    ewa = join(installation)
    sessions.start(installation.raw_store, SsoSettings(), Clock(), ewa, Browser("203.0.113.7", "Firefox"))

    terminal.run("staff", "disable", MAIL)

    assert not binds(installation, ewa)
    assert eyes.value(ewa.uid, "pwdAccountLockedTime") == "000001010000Z"
    assert sessions.list_of(installation.raw_store, Clock(), ewa.account_id) == []
    assert not account_of(installation, MAIL).enabled
    assert make_plan(installation.provisioner, ACTOR, scope=Scope.ALL).changes == 0

    terminal.run("staff", "enable", MAIL)

    assert binds(installation, ewa)
    assert account_of(installation, MAIL).enabled


def test_the_life_cycle_never_closes_staff(installation: Idp, eyes: Eyes) -> None:
    ewa = join(installation)
    settings, clock = installation.settings, installation.clock

    with installation.databases.identity.write() as connection:
        review_everybody(connection, installation.provisioner.today())
    while review_statuses(installation.databases, settings.people.access_policy, clock, installation.zone, SYSTEM):
        pass

    assert make_plan(installation.provisioner, ACTOR, scope=Scope.ALL).changes == 0
    assert account_of(installation, MAIL).enabled
    assert eyes.value(ewa.uid, "idpStatus") == "active"


def test_the_last_administrator_is_neither_locked_nor_merged_away(terminal: Terminal, installation: Idp) -> None:
    boss = join(installation, BOSS, Role.ADMINISTRATOR)

    assert isinstance(terminal.error("staff", "disable", BOSS), LastAdministrator)
    assert isinstance(terminal.error("accounts", "lock", BOSS, "--reason", "x"), LastAdministrator)
    with pytest.raises(LastAdministrator):
        make_merge(installation.provisioner, ANNA.person_id, boss.account_id, ACTOR)
    assert account_of(installation, BOSS).enabled


def test_somebody_who_is_both_has_one_account_and_the_affiliations_of_both(installation: Idp) -> None:
    provisioner = installation.provisioner
    with installation.databases.identity.write() as connection:
        add_source(connection, ANNA.person_id, PersonSource(Source.STAFF, "7"), SEEN)

    with installation.databases.identity.read() as connection:
        anna = load_snapshot(connection, ANNA.person_id, provisioner.people, provisioner.today())
        everybody = load_snapshots(connection, [ANNA.person_id, "nobody"], provisioner.people, provisioner.today())

    assert anna is not None
    assert anna.status.affiliations == ("student", "staff", "member")
    assert [each.source for each in anna.sources] == [Source.REGISTRY, Source.STAFF]
    assert everybody == [anna]


def test_enabling_a_member_of_staff_says_what_still_keeps_them_out(terminal: Terminal, installation: Idp) -> None:
    uid = join(installation).uid
    assert terminal.run("staff", "enable", MAIL) == f"{MAIL} was not disabled.\n"

    terminal.run("staff", "disable", MAIL)
    terminal.run("accounts", "lock", uid, "--reason", "stolen password")
    said = terminal.run("staff", "enable", MAIL)
    assert "may sign in" not in said
    assert "still locked by: operator" in said
    assert f"idp accounts unlock {uid} --owner operator" in said
    assert "still locked by: operator" in terminal.run("staff", "enable", MAIL)

    terminal.run("accounts", "unlock", uid)
    terminal.run("staff", "disable", MAIL)
    assert terminal.run("staff", "enable", MAIL) == f"{MAIL} may sign in again.\n"


def test_active_staff_are_found_as_active_counted_apart_and_explained(terminal: Terminal, installation: Idp) -> None:
    before = terminal.json("status")["people"]
    uid = join(installation).uid

    (found,) = terminal.json("people", "find", "ewa kowal")
    status = terminal.json("status")
    explained = terminal.json("explain", "person", uid)

    assert (found["uid"], found["access"], found["is_staff"]) == (uid, "active", True)
    assert (status["people"], status["staff_accounts"]) == (before, 1)
    assert (explained["uid"], explained["access"], explained["reason"]) == (uid, "active", "staff")
    assert "active: staff" in terminal.run("explain", "person", MAIL)
    terminal.run("staff", "disable", MAIL)
    (found,) = terminal.json("people", "find", "ewa kowal")
    assert found["access"] == "closed"
