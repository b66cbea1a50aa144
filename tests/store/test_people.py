from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people import queries as people
from idp.people import tables
from idp.people.status import Access
from idp.people.values import Album
from tests.support.students import Student, add_student

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
ANNA = Student(person_id="p1", album="00123", surname_prefix="van", surname="Beek")
JAN = Student(person_id="p2", album="54321", given_name="Jan", document_end="4567", pesel_end=None)


@pytest.fixture(autouse=True)
def two_students(databases: Databases, keys: Keys) -> None:
    for student in (ANNA, JAN):
        add_student(databases, keys, student)


def test_a_person_is_read_with_enrolments(databases: Databases) -> None:
    with databases.identity.read() as connection:
        found = people.load_person(connection, ANNA.person_id)
        nobody = people.load_person(connection, "nobody")

    assert found is not None
    assert (found.album, found.display_name, found.born_on) == ("00123", "Żaneta van Beek", date(1905, 3, 14))
    assert [one.status for one in found.enrolments] == ["active"]
    assert nobody is None


def test_an_album_is_found_whatever_its_leading_zeros(databases: Databases) -> None:
    with databases.identity.read() as connection:
        found = [people.find_by_album(connection, Album(text)) for text in ("123", "00123", "0123", "999")]

    assert [person and person.person_id for person in found] == [ANNA.person_id] * 3 + [None]


def test_people_are_read_page_by_page_in_order(databases: Databases) -> None:
    with databases.identity.read() as connection:
        everybody = people.people_after(connection, after="", limit=10)
        pages = [people.people_after(connection, after, limit=1) for after in ("", everybody[0], everybody[1])]
        some = people.load_people(connection, [JAN.person_id, ANNA.person_id, "nobody"])

    assert everybody == [ANNA.person_id, JAN.person_id]
    assert pages == [[ANNA.person_id], [JAN.person_id], []]
    assert {person.uid for person in some} == {ANNA.uid, JAN.uid}


def test_national_ids_are_there_to_compare_and_not_to_read(databases: Databases, keys: Keys) -> None:
    with databases.identity.read() as connection:
        ends = select(tables.person.c.pesel_end_mac, tables.person.c.document_end_mac)
        anna = connection.execute(ends.where(tables.person.c.person_id == ANNA.person_id)).one()
        jan = connection.execute(ends.where(tables.person.c.person_id == JAN.person_id)).one()

    assert (anna.pesel_end_mac, anna.document_end_mac) == (keys.mac("pesel-end", "1359"), None)
    assert (jan.pesel_end_mac, jan.document_end_mac) == (None, keys.mac("document-end", "4567"))


def test_a_name_once_given_cannot_be_given_to_another(databases: Databases) -> None:
    with pytest.raises(IntegrityError), databases.identity.write() as connection:
        people.give_albums(connection, {JAN.person_id: "123"}, NOW)


def test_whoever_is_due_is_found_and_put_off(databases: Databases) -> None:
    today = date(2026, 11, 1)
    with databases.identity.write() as connection:
        assert people.due_for_review(connection, today, limit=10) == []
        people.set_status(connection, ANNA.person_id, Access.ACTIVE, today)
        due = people.due_for_review(connection, today, limit=10)
        people.set_status(connection, ANNA.person_id, Access.SUSPENDED, None)
        after = people.due_for_review(connection, today, limit=10)
        everybody = people.review_everybody(connection, today)

    assert [person.person_id for person in due] == [ANNA.person_id]
    assert after == []
    assert everybody == 2
