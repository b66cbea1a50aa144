"""Addresses: one owner each, for ever, held by the tables' constraints."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from idp.aliases.look_alikes import look_alike_key
from idp.db.databases import Databases
from idp.errors import AliasTaken, Conflict
from idp.people.address_queries import (
    Addresses,
    NewAddress,
    addresses_among,
    addresses_of,
    give,
    named_among,
    taken_among,
)
from idp.people.tables import address
from tests.support.keys import shared_keys
from tests.support.students import Student, add_student

AT = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
DOMAIN = "student.po.edu.pl"
KEYS = shared_keys()


def new(local_part: str) -> NewAddress:
    return NewAddress(f"{local_part}@{DOMAIN}", f"{look_alike_key(local_part)}@{DOMAIN}")


def alias(number: int) -> NewAddress:
    return NewAddress(f"s{number}@{DOMAIN}", f"s{number}@{DOMAIN}")


def add_people(databases: Databases, *person_ids: str) -> None:
    for each in person_ids:
        add_student(databases, KEYS, Student(each, album=None))


def give_one(databases: Databases, person_id: str, name: str, number: int) -> None:
    with databases.identity.write() as connection:
        give(connection, AT, person_id, new(name), alias(number))


def outcome(act: Callable[[], None]) -> str:
    try:
        act()
    except (AliasTaken, Conflict) as refusal:
        return refusal.code
    return "given"


def test_a_given_address_and_alias_are_found_again(databases: Databases) -> None:
    add_people(databases, "p1", "p2")
    give_one(databases, "p1", "jan.kowalski", 12345)

    with databases.identity.read() as connection:
        assert addresses_of(connection, "p1") == Addresses(f"jan.kowalski@{DOMAIN}", f"s12345@{DOMAIN}")
        assert addresses_of(connection, "p2") == Addresses()


@pytest.mark.parametrize("name", ["jan.kowalski", "jankowalski", "jan-kowa1ski"])
def test_an_address_or_one_that_looks_like_it_is_never_given_twice(databases: Databases, name: str) -> None:
    add_people(databases, "p1", "p2")
    give_one(databases, "p1", "jan.kowalski", 1)

    with pytest.raises(AliasTaken):
        give_one(databases, "p2", name, 2)
    with databases.identity.read() as connection:
        assert addresses_of(connection, "p2") == Addresses()


def test_an_address_that_no_longer_delivers_stays_its_first_owners(databases: Databases) -> None:
    add_people(databases, "p1", "p2")
    give_one(databases, "p1", "jan.kowalski", 1)
    with databases.identity.write() as connection:
        connection.execute(address.delete())

    with pytest.raises(AliasTaken):
        give_one(databases, "p2", "jan.kowalski", 2)


def test_an_alias_belongs_to_one_album_only(databases: Databases) -> None:
    add_people(databases, "p1", "p2")
    give_one(databases, "p1", "jan.kowalski", 1)

    with pytest.raises(AliasTaken):
        give_one(databases, "p2", "anna.nowak", 1)


def test_a_person_has_one_primary_address(databases: Databases) -> None:
    add_people(databases, "p1")
    give_one(databases, "p1", "jan.kowalski", 1)

    with pytest.raises(Conflict):
        give_one(databases, "p1", "kowalski.jan", 2)
    with databases.identity.read() as connection:
        assert taken_among(connection, [new("kowalski.jan").looks_like]) == frozenset()


def test_of_a_hundred_parallel_choices_of_one_name_exactly_one_wins(databases: Databases) -> None:
    people = [f"p{number}" for number in range(100)]
    add_people(databases, *people)

    def choose(number: int) -> str:
        return outcome(lambda: give_one(databases, people[number], "jan.kowalski", number + 1))

    with ThreadPoolExecutor(max_workers=16) as pool:
        outcomes = list(pool.map(choose, range(100)))

    assert sorted(outcomes) == ["alias_taken"] * 99 + ["given"]
    with databases.identity.read() as connection:
        assert len(connection.execute(select(address.c.address)).all()) == 2


def test_of_many_parallel_choices_by_one_person_exactly_one_wins(databases: Databases) -> None:
    add_people(databases, "p1")

    def choose(number: int) -> str:
        return outcome(lambda: give_one(databases, "p1", f"name.{chr(97 + number)}x", number + 1))

    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(choose, range(8)))

    assert sorted(outcomes) == ["conflict"] * 7 + ["given"]


def test_former_addresses_are_kept_beside_the_primary(databases: Databases) -> None:
    add_people(databases, "p1")
    give_one(databases, "p1", "anna.nowak", 1)
    with databases.identity.write() as connection:
        former = {"address": f"anna.dawna@{DOMAIN}", "person_id": "p1", "kind": "former", "since": AT}
        connection.execute(insert(address), [former, {**former, "address": f"anna.wczesniejsza@{DOMAIN}"}])

    with databases.identity.read() as connection:
        found = addresses_of(connection, "p1")
    assert found.former == (f"anna.dawna@{DOMAIN}", f"anna.wczesniejsza@{DOMAIN}")
    assert found.all()[:2] == (f"anna.nowak@{DOMAIN}", f"s1@{DOMAIN}")


def test_the_addresses_of_many_come_by_person(databases: Databases) -> None:
    add_people(databases, "p1", "p2", "p3")
    give_one(databases, "p3", "jan.kowalski", 3)
    give_one(databases, "p1", "anna.nowak", 1)

    with databases.identity.read() as connection:
        found = addresses_among(connection, ["p3", "p2", "p1"])

    assert {person_id: mine.primary for person_id, mine in found.items()} == {
        "p1": f"anna.nowak@{DOMAIN}",
        "p3": f"jan.kowalski@{DOMAIN}",
    }


def test_the_taken_ones_of_a_list_are_named(databases: Databases) -> None:
    add_people(databases, "p1")
    give_one(databases, "p1", "jan.kowalski", 1)
    wanted = [new(name).looks_like for name in ("jan.kowalski", "jan.kowalski2")]

    with databases.identity.read() as connection:
        assert taken_among(connection, wanted) == {wanted[0]}


def test_more_names_are_looked_up_at_once_than_a_statement_can_bind(databases: Databases) -> None:
    many = [f"name{number}" for number in range(70_000)]  # PostgreSQL's protocol counts values in 16 bits
    with databases.identity.read() as connection:
        assert taken_among(connection, many) == frozenset()
        assert named_among(connection, many) == frozenset()
