import random
import re

from idp.people.identifiers import esi, new_uid, public_subject, unique_id
from idp.people.values import Album, PersonId


def test_a_uid_is_u_and_eight_letters_or_digits_that_say_nothing() -> None:
    source = random.SystemRandom()

    assert all(re.fullmatch("u[a-z2-9]{8}", new_uid(source)) for _ in range(1000))


def test_the_unique_id_has_no_hyphens() -> None:
    assert unique_id(PersonId("0a" * 16), "po.edu.pl") == "0a" * 16 + "@po.edu.pl"


def test_the_public_sub_is_ascii_and_one_for_each_person() -> None:
    people = [PersonId(f"{number:032x}") for number in range(100)]

    assert len({public_subject(person_id) for person_id in people}) == 100
    assert all(public_subject(person_id).isascii() and len(public_subject(person_id)) <= 255 for person_id in people)


def test_the_european_student_identifier_is_written_in_exactly_this_case() -> None:
    assert esi("po.edu.pl", Album("12345")) == "urn:schac:personalUniqueCode:int:esi:po.edu.pl:12345"
