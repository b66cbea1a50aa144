from idp.registry.albums import Claim, contest, contest_with_owner
from idp.registry.reasons import Reason


def test_two_people_with_one_album_are_both_refused() -> None:
    assert contest([Claim(0, 5, "123", True), Claim(1, 9, "123", False)]) == {
        0: Reason.ALBUM_OF_TWO,
        1: Reason.ALBUM_OF_TWO,
    }


def test_of_albums_that_differ_by_leading_zeros_the_second_is_refused() -> None:
    assert contest([Claim(0, 9, "7", False), Claim(1, 5, "007", False)]) == {0: Reason.ALBUM_ZERO_TWIN}


def test_whoever_has_the_number_already_is_the_first() -> None:
    assert contest([Claim(0, 9, "7", True), Claim(1, 5, "007", False)]) == {1: Reason.ALBUM_ZERO_TWIN}


def test_one_claim_is_no_contest() -> None:
    assert contest([Claim(0, 9, "7", False)]) == {}
    assert contest([]) == {}


def test_a_newcomer_does_not_get_a_number_that_somebody_has() -> None:
    assert contest_with_owner(["7"], "7") is Reason.ALBUM_OF_TWO
    assert contest_with_owner(["007"], "7") is Reason.ALBUM_ZERO_TWIN
