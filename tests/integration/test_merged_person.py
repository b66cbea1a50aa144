"""A merge is known everywhere: sign-in, CAS attributes, portal and LDAP agree on one person."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.snapshot import load_snapshot
from idp.people.tables import address
from idp.provisioning.executor import apply_run
from idp.provisioning.merging import make_merge, make_unmerge
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.targets.accounts import AccountsTarget
from tests.support.actors import shell
from tests.support.clock import ManualClock
from tests.support.installation import Browser as PortalBrowser
from tests.support.installation import installed, settings_for, text_of
from tests.support.provisioning import Eyes, add_students, change_status, choose_mail_name, make_provisioner
from tests.support.sign_on import SignOn, build_sign_on, give_password
from tests.support.students import SEEN, Student

CLAIMED = datetime(2026, 9, 20, tzinfo=UTC)
OLD = Student("a" * 32, album="123", given_name="Anna", surname="Kowalska", claimed_at=CLAIMED)
NEW = Student("b" * 32, album="456", given_name="Anna", surname="Nowak", claimed_at=CLAIMED)
OLD_PASSWORD, NEW_PASSWORD = "hasło starego konta", "hasło nowego konta"
MAIL, FORMER, ALIAS = "anna.kowalska@student.po.edu.pl", "anna@student.po.edu.pl", "s123@student.po.edu.pl"
NAMES_OF_OLD = ("123", OLD.uid, MAIL, FORMER, ALIAS)
NAMES_OF_NEW = ("456", NEW.uid)
ACTOR = shell("tester")
APPLICATION = "https://app.example/"
REGISTRATION = """id = "app"
name = { pl = "Aplikacja", en = "Application" }
owner = "tests"
attributes = ["mail", "mailAlias", "album", "albums", "sn", "programme", "eduPersonAffiliation"]
url = [{ host = "app.example", path = "/" }]
"""


@pytest.fixture
def provisioner(databases: Databases, directory: PrivateSlapd, clock: ManualClock) -> Iterator[Provisioner]:
    others = {"accounts": AccountsTarget(databases.identity)}
    made = make_provisioner(databases, directory, clock, others=others)
    yield made
    made.close()


@pytest.fixture
def two_records(provisioner: Provisioner, databases: Databases, keys: Keys, directory: PrivateSlapd) -> None:
    """One human being under two numbers; only the old record has a mail name, and only the new one studies."""
    add_students(databases, keys, [OLD, NEW])
    choose_mail_name(databases, OLD.person_id, MAIL, ALIAS)
    with databases.identity.write() as connection:
        row = {"address": FORMER, "person_id": OLD.person_id, "kind": "former", "since": SEEN}
        connection.execute(insert(address).values(**row))
    change_status(databases, OLD.person_id, "leave")
    change_status(databases, NEW.person_id, "graduated_diploma", date(2001, 6, 1))
    change_status(databases, NEW.person_id, "active")
    apply(provisioner, make_plan(provisioner, ACTOR).run_id)
    for student, password in ((OLD, OLD_PASSWORD), (NEW, NEW_PASSWORD)):
        give_password(directory, student.uid, password)


@pytest.fixture
def sign_on(
    databases: Databases, keys: Keys, clock: ManualClock, directory: PrivateSlapd, tmp_path: Path
) -> Iterator[SignOn]:
    with build_sign_on(databases, keys, clock, directory, tmp_path / "services") as service:
        service.register("app", REGISTRATION)
        clock.advance(5)
        yield service


def apply(provisioner: Provisioner, run_id: str) -> None:
    assert apply_run(provisioner, run_id, ACTOR).is_complete


def told(sign_on: SignOn, name: str, password: str) -> dict[str, list[str]]:
    """Sign in by a name and return what the application is told: user and attributes."""
    browser = sign_on.browser()
    assert browser.sign_in(name, password).status_code == 303, name
    ticket = browser.ticket(APPLICATION)
    query = {"ticket": ticket, "service": APPLICATION, "format": "JSON"}
    answer = json.loads(sign_on.browser().open("/cas/p3/serviceValidate", **query).text)
    success = answer["serviceResponse"]["authenticationSuccess"]
    answers = {"user": success["user"], **success["attributes"]}
    return {key: value if isinstance(value, list) else [value] for key, value in answers.items()}


def is_refused(sign_on: SignOn, name: str, password: str) -> bool:
    return sign_on.browser().sign_in(name, password).status_code != 303


@pytest.mark.usefixtures("two_records")
def test_after_a_merge_every_name_signs_in_to_the_kept_account_and_all_agree(
    provisioner: Provisioner,
    databases: Databases,
    clock: ManualClock,
    sign_on: SignOn,
    directory: PrivateSlapd,
    eyes: Eyes,
    tmp_path: Path,
) -> None:
    before = told(sign_on, "456", NEW_PASSWORD), told(sign_on, MAIL, OLD_PASSWORD)

    apply(provisioner, make_merge(provisioner, NEW.person_id, OLD.person_id, ACTOR).run_id)
    clock.advance(60)

    answers = [told(sign_on, name, NEW_PASSWORD) for name in (*NAMES_OF_NEW, *NAMES_OF_OLD)]
    assert [answer["user"] for answer in answers] == [[NEW.uid]] * len(answers)
    assert is_refused(sign_on, MAIL, OLD_PASSWORD)
    person = answers[0]
    assert (person["mail"], person["mailAlias"]) == ([MAIL], [ALIAS])
    assert (person["album"], person["albums"]) == (["456"], ["456", "123"])
    assert set(person["eduPersonAffiliation"]) == {"student", "member"}

    entry = eyes.entry(NEW.uid, ["mail", "mailLocalAddress", "eduPersonAffiliation"])
    assert entry is not None
    assert entry.values("mail") == tuple(person["mail"])
    assert set(entry.values("mailLocalAddress")) == {MAIL, ALIAS, FORMER}
    assert set(entry.values("eduPersonAffiliation")) == set(person["eduPersonAffiliation"])
    assert eyes.value(OLD.uid, "mailLocalAddress") is None

    with installed(settings_for(databases, directory, tmp_path), clock) as installation:
        portal = PortalBrowser(installation)
        portal.sign_in(ALIAS, NEW_PASSWORD)
        data, software = text_of(portal.open("/data")), text_of(portal.open("/software/mail"))
    for word in (MAIL, ALIAS, FORMER, "456", "Nowak"):
        assert word in data, word
    assert MAIL in software

    apply(provisioner, make_unmerge(provisioner, NEW.person_id, OLD.person_id, ACTOR).run_id)
    clock.advance(60)

    assert [told(sign_on, name, OLD_PASSWORD)["user"] for name in NAMES_OF_OLD] == [[OLD.uid]] * len(NAMES_OF_OLD)
    after = told(sign_on, "456", NEW_PASSWORD), told(sign_on, MAIL, OLD_PASSWORD)
    drop = {"authenticationDate"}
    assert [{k: v for k, v in each.items() if k not in drop} for each in after] == [
        {k: v for k, v in each.items() if k not in drop} for each in before
    ]
    assert eyes.value(NEW.uid, "mail") is None
    assert eyes.value(OLD.uid, "mail") == MAIL


@pytest.mark.usefixtures("two_records")
def test_what_the_ticket_path_reads_is_what_the_snapshot_says(
    provisioner: Provisioner, databases: Databases, sign_on: SignOn
) -> None:
    apply(provisioner, make_merge(provisioner, NEW.person_id, OLD.person_id, ACTOR).run_id)

    with databases.identity.read() as connection:
        snapshot = load_snapshot(connection, NEW.person_id, provisioner.people, provisioner.today())
    person = told(sign_on, "123", NEW_PASSWORD)

    assert snapshot is not None
    assert person["programme"] == [each.programme for each in snapshot.enrolments]
    assert person["albums"] == list(snapshot.albums)
    assert person["eduPersonAffiliation"] == list(snapshot.status.affiliations)
