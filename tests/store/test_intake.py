"""A new intake's mail names before anybody sees them."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from idp.accounts.intake import IntakePreview, preview_intake
from idp.aliases.look_alikes import look_alike_key
from idp.aliases.refusals import name_rules
from idp.aliases.settings import AliasSettings
from idp.db.databases import Databases
from idp.errors import RefusedSource
from idp.keys.key_files import Keys
from idp.people.address_queries import NewAddress, give
from idp.registry.reading import read_people
from idp.registry.settings import RegistrySettings
from tests.support.clock import ManualClock
from tests.support.exports import FOREIGNER, export_row, write_export
from tests.support.imports import Registry, no_progress
from tests.support.students import find_by_os_id

RULES = name_rules(AliasSettings(), "s", "student.po.edu.pl")
INTAKE = [
    {"imie": "Jan", "nazwisko": "Kowalski"},
    {"imie": "Jan", "nazwisko": "Kowalski"},
    {"imie": "Ján", "nazwisko": "Kowalski"},
    {"imie": "Ірина", "nazwisko": "Шевченко"},
    {"imie": "Ewa", "nazwisko": "Abc-" * 15 + "Abc"},
    {"imie": "Ola", "nazwisko": ""},
    {"imie": "", "nazwisko": "", "prog_kod": "X"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        export_row(
            **FOREIGNER | {"os_id": str(200 + n), "nr_albumu": str(700 + n), "dok_numer": f"XY12345{n}"} | names,
        )
        for n, names in enumerate(INTAKE)
    ]
    write_export(tmp_path / "intake.csv", rows)
    return tmp_path / "intake.csv"


def previewed(databases: Databases, clock: ManualClock, file: Path) -> IntakePreview:
    people = read_people(file, clock.now(), ZoneInfo("Europe/Warsaw"), RegistrySettings(), no_progress)
    return preview_intake(databases, people, RULES)


def test_namesakes_other_scripts_long_names_and_bad_rows_are_seen(
    databases: Databases, clock: ManualClock, file: Path
) -> None:
    found = previewed(databases, clock, file)

    assert (found.people, found.without_name, found.with_name, found.bad) == (7, 6, 0, (8,))
    (group,) = found.namesakes
    assert (group.mail_name, group.is_taken) == ("jan.kowalski", False)
    assert [(each.album, each.line) for each in group.people] == [("700", 2), ("701", 3), ("702", 4)]
    assert found.remarks == {"transliterated": 1, "shortened": 1}
    assert [each.album for each in found.remarkable] == ["703", "704"]


def test_a_preview_writes_nothing_and_an_import_afterwards_takes_everybody(
    databases: Databases, keys: Keys, clock: ManualClock, file: Path
) -> None:
    registry = Registry(databases, keys, clock, RegistrySettings(bad_rows_floor=100))
    before = registry.content()

    previewed(databases, clock, file)

    assert registry.content() == before
    assert registry.take(file).added == 6


def test_a_name_that_is_taken_is_a_collision_and_its_owner_has_a_name_already(
    databases: Databases, keys: Keys, clock: ManualClock, file: Path
) -> None:
    Registry(databases, keys, clock, RegistrySettings(bad_rows_floor=100)).take(file)
    with databases.identity.write() as connection:
        owner = find_by_os_id(connection, "205")
        assert owner is not None
        domain = "@student.po.edu.pl"
        primary = NewAddress(f"irina.shevchenko{domain}", f"{look_alike_key('irina.shevchenko')}{domain}")
        give(connection, clock.now(), owner.person_id, primary, NewAddress(f"s705{domain}", f"s705{domain}"))

    found = previewed(databases, clock, file)

    assert (found.with_name, found.without_name) == (1, 5)
    assert {(group.mail_name, group.is_taken) for group in found.namesakes} == {
        ("jan.kowalski", False),
        ("irina.shevchenko", True),
    }


def test_a_file_that_is_no_export_is_refused(databases: Databases, clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam\n")

    with pytest.raises(RefusedSource):
        previewed(databases, clock, tmp_path / "letter.txt")
