from idp.people.queries import AlbumOwner
from idp.registry.albums import Claim, contest, refused_beside
from idp.registry.reasons import Reason


def claim(place: int, os_id: int, text: str, *, is_owner: bool = False, person: str = "") -> Claim:
    return Claim(place, os_id, text, person or f"os_id {os_id}", is_owner)


def test_two_people_with_one_album_are_both_refused() -> None:
    assert contest([claim(0, 5, "123", is_owner=True), claim(1, 9, "123")]) == {
        0: Reason.ALBUM_OF_TWO,
        1: Reason.ALBUM_OF_TWO,
    }


def test_of_albums_that_differ_by_leading_zeros_the_second_is_refused() -> None:
    assert contest([claim(0, 9, "7"), claim(1, 5, "007")]) == {0: Reason.ALBUM_ZERO_TWIN}


def test_whoever_has_the_number_already_is_the_first() -> None:
    assert contest([claim(0, 9, "7", is_owner=True), claim(1, 5, "007")]) == {1: Reason.ALBUM_ZERO_TWIN}


def test_one_claim_is_no_contest() -> None:
    assert contest([claim(0, 9, "7")]) == {}
    assert contest([]) == {}


def test_a_new_person_does_not_get_a_number_that_somebody_has() -> None:
    assert refused_beside("7", AlbumOwner("p1", "7", None)) is Reason.ALBUM_OF_TWO
    assert refused_beside("007", AlbumOwner("p1", "7", None)) is Reason.ALBUM_ZERO_TWIN


def test_records_of_one_person_do_not_contest_an_album() -> None:
    assert contest([claim(0, 5, "123", is_owner=True, person="p1"), claim(1, 9, "123", person="p1")]) == {}


def test_a_stranger_beside_two_records_of_one_person_is_refused() -> None:
    claims = [claim(0, 5, "7", is_owner=True, person="p1"), claim(1, 9, "7", person="p1"), claim(2, 11, "007")]

    assert contest(claims) == {2: Reason.ALBUM_ZERO_TWIN}
