"""Students come from the registry export, and each gets an account number of their own."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from idp.errors import RefusedSource
from idp.fees import tables
from idp.fees.account_numbers import parse_nrb
from idp.fees.accounts import open_missing_accounts
from idp.fees.database import Database
from idp.fees.journal import latest
from idp.fees.settings import AccountKind, FeesSettings
from idp.fees.student_tables import all_students, find_student
from idp.fees.students import StudentsImported, import_students
from idp.fees.values import Student
from tests.support.clock import ManualClock
from tests.support.fees import registry_export, student_row

ZONE = "Europe/Warsaw"
LATER = "2026-09-25T08:00:00+02:00"


class Office:
    """Takes exports, one after the other."""

    def __init__(self, database: Database, folder: Path, clock: ManualClock, settings: FeesSettings) -> None:
        self.database, self.folder, self.clock, self.settings = database, folder, clock, settings

    def take(self, *rows: dict[str, str]) -> StudentsImported:
        file = registry_export(self.folder / "export.csv", rows)
        return import_students(self.database, self.settings, ZONE, self.clock, file, "shell:test")

    def student(self, album: str) -> Student | None:
        with self.database.read() as connection:
            return find_student(connection, album)

    def numbers(self) -> dict[int, list[str]]:
        numbers: dict[int, list[str]] = {}
        with self.database.read() as connection:
            for row in connection.execute(select(tables.account).order_by(tables.account.c.nrb)):
                numbers.setdefault(row.student_id, []).append(row.nrb)
        return numbers


@pytest.fixture
def office(database: Database, tmp_path: Path, clock: ManualClock) -> Office:
    return Office(database, tmp_path, clock, FeesSettings(bad_rows_floor=2))


def test_an_export_brings_students_programmes_and_accounts(office: Office) -> None:
    taken = office.take(
        student_row(),
        student_row(prog_kod="MAT-S1", status="cancelled"),
        student_row(os_id="1002", nr_albumu="007", imie="Jan", nazwisko="Nowak"),
    )

    assert (taken.added, taken.accounts_opened, taken.bad) == (2, 2, ())
    student = office.student("12345")
    assert student is not None
    assert student.display_name == "Żaneta Źdźbło-Ćwik"
    assert {programme.code for programme in student.programmes} == {"INF-S1", "MAT-S1"}


def test_a_student_is_found_with_and_without_leading_zeros(office: Office) -> None:
    office.take(student_row(nr_albumu="007"))

    assert office.student("7") == office.student("007") == office.student("0007")
    assert office.student("70") is None


def test_the_same_file_twice_changes_nothing(office: Office) -> None:
    office.take(student_row(), student_row(os_id="1002", nr_albumu="7"))
    before = office.numbers()

    again = office.take(student_row(), student_row(os_id="1002", nr_albumu="7"))

    assert (again.added, again.changed, again.unchanged, again.accounts_opened) == (0, 0, 2, 0)
    assert office.numbers() == before


def test_a_changed_name_is_taken_and_the_account_stays(office: Office) -> None:
    office.take(student_row())
    before = office.numbers()

    taken = office.take(student_row(nazwisko="Nowak", status="leave", zmieniono=LATER))

    student = office.student("12345")
    assert taken.changed == 1
    assert student is not None
    assert (student.surname, student.programmes[0].status) == ("Nowak", "leave")
    assert office.numbers() == before


def test_a_stale_row_is_skipped_even_when_it_is_bad(office: Office) -> None:
    office.take(student_row(zmieniono=LATER))

    taken = office.take(student_row(nazwisko="Old"), student_row(status="nonsense"))

    assert (taken.stale, taken.bad, taken.changed) == (2, (), 0)


def test_whoever_is_absent_stays(office: Office) -> None:
    office.take(student_row(), student_row(os_id="1002", nr_albumu="7"))

    office.take(student_row())

    assert office.student("7") is not None


def test_bad_rows_are_listed_and_the_others_taken(office: Office) -> None:
    taken = office.take(student_row(), student_row(os_id="1002", nr_albumu="7", status="nonsense"))

    assert taken.added == 1
    (bad,) = taken.bad
    assert (bad.line, bad.os_id) == (3, "1002")
    assert "status" in bad.reason


def test_an_album_of_somebody_else_is_not_taken_away(office: Office) -> None:
    office.take(student_row())

    taken = office.take(student_row(os_id="2", nr_albumu="012345"))

    assert taken.added == 0
    assert "belongs to somebody else" in taken.bad[0].reason


def test_a_file_with_too_many_bad_rows_is_refused_whole_and_the_refusal_is_recorded(office: Office) -> None:
    with pytest.raises(RefusedSource, match="3 of 4 rows bad, limit 2") as refusal:
        office.take(student_row(), *(student_row(os_id=str(number), status="x") for number in range(3)))

    assert refusal.value.reason == "bad_rows"
    with office.database.read() as connection:
        assert all_students(connection) == []
        assert [event["kind"] for event in latest(connection, 10)] == ["students.refused"]


def test_nobody_shares_an_account_number_and_each_is_valid(office: Office) -> None:
    office.take(*(student_row(os_id=str(number), nr_albumu=str(number)) for number in range(1, 40)))

    numbers = [number for own in office.numbers().values() for number in own]
    assert len(set(numbers)) == 39
    assert all(parse_nrb(number) == number for number in numbers)


def test_a_number_is_never_given_again_even_when_its_account_is_gone(office: Office) -> None:
    office.take(student_row())
    ((first,),) = office.numbers().values()
    with office.database.write() as connection:
        connection.execute(delete(tables.account))

    office.take(student_row())

    ((second,),) = office.numbers().values()
    assert second != first


def test_each_kind_of_account_has_its_own_number(office: Office) -> None:
    office.settings = FeesSettings(kinds={"fees": AccountKind(), "room": AccountKind(prefix="7778", currency="EUR")})

    taken = office.take(student_row())

    assert taken.accounts_opened == 2
    ((fees, room),) = [sorted(own, key=lambda number: number[10:14]) for own in office.numbers().values()]
    assert (fees[10:14], room[10:14]) == ("7777", "7778")


def test_a_closed_account_is_followed_by_a_new_number(office: Office) -> None:
    office.take(student_row())
    with office.database.write() as connection:
        connection.execute(tables.account.update().values(valid_to=date(2026, 9, 30)))
        opened = open_missing_accounts(connection, "99900009", {"fees": AccountKind()}, date(2026, 10, 1))

    assert opened == 1
    ((old, new),) = office.numbers().values()
    assert old != new


def test_the_database_itself_refuses_a_second_open_account_and_a_shared_number(office: Office) -> None:
    office.take(student_row(), student_row(os_id="2", nr_albumu="7"))
    with office.database.read() as connection:
        one, other = (dict(row._mapping) for row in connection.execute(select(tables.account)))

    for forged in ({**one, "nrb": "1" * 26}, {**other, "nrb": one["nrb"], "kind": "room"}):
        with pytest.raises(Exception, match=r"(?i)unique"), office.database.write() as connection:
            connection.execute(insert(tables.account).values(forged))
