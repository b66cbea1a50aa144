"""Finding people by name, as somebody at a terminal or a desk types it."""

import pytest

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.search_queries import find_by_name
from tests.support.students import Student, add_student


@pytest.fixture
def people(databases: Databases, keys: Keys) -> Databases:
    names = [("Anna", "Nowak"), ("Anna", "Żółć"), ("Łukasz", "Nowakowski"), ("Siobhán", "O’Connor")]
    for number, (given_name, surname) in enumerate(names, start=1):
        add_student(databases, keys, Student(f"p{number}", album=str(number), given_name=given_name, surname=surname))
    return databases


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("nowak", ["Anna Nowak", "Łukasz Nowakowski"]),
        ("NOWAK anna", ["Anna Nowak"]),
        ("zolc", ["Anna Żółć"]),
        ("lukasz", ["Łukasz Nowakowski"]),
        ("oconnor", ["Siobhán O’Connor"]),
        ("wak", []),
        ("  ", []),
        ("%", []),
    ],
)
def test_case_diacritics_and_order_mean_nothing_and_beginnings_are_enough(
    people: Databases, typed: str, found: list[str]
) -> None:
    with people.identity.read() as connection:
        assert [one.name for one in find_by_name(connection, typed, 10)] == found


def test_no_more_are_found_than_asked_for(people: Databases) -> None:
    with people.identity.read() as connection:
        assert [one.name for one in find_by_name(connection, "a", 1)] == ["Anna Nowak"]
