"""Choosing a mail name, with a real directory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.accounts.mail_names import MailNames
from idp.app.installation import Idp
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import AliasTaken, Conflict, InvalidAddress, NotAllowed
from idp.keys.key_files import Keys
from idp.provisioning.live import reconcile_due
from tests.support.accounts import Services
from tests.support.clock import ManualClock
from tests.support.installation import installed, settings_for
from tests.support.students import Student, add_student

PRIMARY = "zaneta.zdzblo-cwik@student.po.edu.pl"
ALIAS = "s12345@student.po.edu.pl"


@pytest.fixture
def services(slapd: PrivateSlapd) -> Iterator[Services]:
    """The running slapd, without anybody in it."""
    with Services(slapd) as services:
        yield services


@pytest.fixture
def installation(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, tmp_path: Path
) -> Iterator[Idp]:
    with installed(settings_for(databases, services.slapd, tmp_path), clock) as installation:
        yield installation


@pytest.fixture
def names(installation: Idp) -> MailNames:
    return installation.mail_names


@pytest.fixture
def student(databases: Databases, keys: Keys) -> Student:
    return add_student(databases, keys, Student("p1"))


def entry_of(services: Services, student: Student) -> dict[str, tuple[str, ...]]:
    dn = services.slapd.settings.person_dn(student.uid)
    entry = services["reader"].read(dn, ["mail", "mailLocalAddress"])
    return {} if entry is None else {name: entry.values(name) for name in ("mail", "mailLocalAddress")}


def kinds(databases: Databases) -> list[tuple[str, str]]:
    with databases.identity.read() as connection:
        rows = connection.execute(select(event_pending).where(event_pending.c.kind.startswith("mail_name")))
        return [(row.kind, row.reason) for row in rows]


def test_the_choice_and_the_alias_stand_in_the_directory_at_once(
    names: MailNames, services: Services, student: Student, databases: Databases
) -> None:
    chosen = names.choose("p1", "zaneta.zdzblo-cwik")

    assert chosen.is_delivered
    assert (chosen.addresses.primary, chosen.addresses.alias) == (PRIMARY, ALIAS)
    entry = entry_of(services, student)
    assert entry["mail"] == (PRIMARY,)
    assert sorted(entry["mailLocalAddress"]) == [ALIAS, PRIMARY]
    assert kinds(databases) == [("mail_name.chosen", "")]


def test_while_the_directory_is_down_the_choice_stands_and_the_worker_brings_it(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, tmp_path: Path, student: Student
) -> None:
    settings = settings_for(databases, services.slapd, tmp_path)
    nowhere = settings.directory.model_copy(update={"url": "ldap://127.0.0.1:1"})
    with installed(settings.model_copy(update={"directory": nowhere}), clock) as cut_off:
        chosen = cut_off.mail_names.choose("p1", "zaneta.zdzblo-cwik")
        assert not chosen.is_delivered
        assert chosen.addresses.primary == PRIMARY
        assert entry_of(services, student) == {}

    clock.advance(60)  # longer than the first wait of the target, and of the person in it
    with installed(settings, clock) as installation:
        assert reconcile_due(installation.provisioner) == 1
    assert entry_of(services, student)["mail"] == (PRIMARY,)


def test_the_same_choice_again_is_harmless_and_another_one_is_refused(names: MailNames, student: Student) -> None:
    first = names.choose("p1", "zaneta.zdzblo-cwik")

    assert names.choose("p1", " Zaneta.Zdzblo-Cwik@student.po.edu.pl ").addresses == first.addresses
    with pytest.raises(Conflict):
        names.choose("p1", "zdzblo")
    assert names.addresses("p1") == first.addresses


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("", "syntax"),
        ("żaneta", "syntax"),
        ("s12345", "alias_form"),
        ("s99999", "alias_form"),
        ("dziekanat", "reserved"),
        ("a" * 65, "too_long"),
        ("jan@example.com", "syntax"),
    ],
)
def test_a_name_that_the_rules_refuse_is_not_given(
    names: MailNames, databases: Databases, student: Student, typed: str, word: str
) -> None:
    with pytest.raises(InvalidAddress, match=word):
        names.choose("p1", typed)

    assert names.addresses("p1").primary is None
    assert kinds(databases) == [("mail_name.refused", word)]


def test_whoever_has_no_album_number_cannot_choose_yet(names: MailNames, databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1", album=None))

    with pytest.raises(NotAllowed):
        names.choose("p1", "zaneta.zdzblo")


def test_a_taken_name_is_not_proposed_and_its_numbers_are(names: MailNames, databases: Databases, keys: Keys) -> None:
    for number in (1, 2, 3):
        add_student(databases, keys, Student(f"p{number}", album=str(number), given_name="Jan", surname="Kowalski"))
    assert names.free_proposals("p1", 4) == ("jan.kowalski", "j.kowalski", "kowalski.jan")
    names.choose("p1", "jan.kowalski")
    names.choose("p2", "jan.kowalski2")

    assert names.free_proposals("p3", 4) == ("jan.kowalski3", "jan.kowalski4", "j.kowalski", "kowalski.jan")


def test_a_name_that_only_looks_like_a_taken_one_is_neither_proposed_nor_given(
    names: MailNames, databases: Databases, keys: Keys
) -> None:
    add_student(databases, keys, Student("p1", album="1", given_name="Anna", surname="Barna"))
    add_student(databases, keys, Student("p2", album="2", given_name="Anna", surname="Bama"))
    names.choose("p1", "anna.barna")

    assert "anna.bama" not in names.free_proposals("p2", 4)
    with pytest.raises(AliasTaken):
        names.choose("p2", "annabama")


def test_nothing_is_proposed_where_nothing_can_be_read(names: MailNames, databases: Databases, keys: Keys) -> None:
    add_student(databases, keys, Student("p1", given_name="", surname="..."))

    assert names.free_proposals("p1", 4) == ()


def test_of_parallel_choices_of_one_name_one_wins_in_the_directory_too(
    names: MailNames, services: Services, databases: Databases, keys: Keys
) -> None:
    students = [add_student(databases, keys, Student(f"p{number}", album=str(number + 1))) for number in range(6)]

    def choose(student: Student) -> bool:
        with suppress(AliasTaken):
            names.choose(student.person_id, "ktos.inny")
            return True
        return False

    with ThreadPoolExecutor(max_workers=6) as pool:
        won = list(pool.map(choose, students))

    assert sum(won) == 1
    holders = [entry_of(services, each).get("mail") for each in students]
    assert holders.count(("ktos.inny@student.po.edu.pl",)) == 1
