import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.drivers.keycloak import Page, in_pages
from idp.errors import TargetUnavailable

SIZE = 5


class Listing:
    """Users sorted by name, who come and go between two pages: `moves` are (page number, users gone, users new)."""

    def __init__(self, names: list[int], moves: dict[int, tuple[set[int], set[int]]]) -> None:
        self.names = names
        self.moves = moves
        self.asked = itertools.count()

    def fetch(self, first: int, most: int) -> Page:
        gone, new = self.moves.get(next(self.asked), (set(), set()))
        self.names = sorted({*self.names, *new} - gone)
        return [{"id": str(name)} for name in self.names[first : first + most]]


def read(listing: Listing) -> list[int]:
    return [int(user["id"]) for user in in_pages(listing.fetch, SIZE)]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 9, 10, 13, 50])
def test_everybody_is_read_once_and_in_order(count: int) -> None:
    assert read(Listing(list(range(count)), {})) == list(range(count))


def test_who_goes_before_us_makes_nobody_be_skipped() -> None:
    listing = Listing(list(range(20)), {1: ({0, 1, 2}, set()), 3: ({4, 5}, set())})

    assert read(listing) == list(range(20))


def test_who_comes_before_us_makes_nobody_be_read_twice() -> None:
    listing = Listing(list(range(100, 120)), {1: (set(), {1, 2, 3}), 2: (set(), set(range(10, 30)))})

    assert read(listing) == list(range(100, 120))


@given(
    st.sets(st.integers(0, 60)),
    st.dictionaries(st.integers(1, 12), st.tuples(st.sets(st.integers(0, 60), max_size=3), st.just(set()))),
)
def test_whoever_stays_is_read_whoever_else_goes(names: set[int], moves: dict[int, tuple[set[int], set[int]]]) -> None:
    gone = set().union(*(some for some, _ in moves.values()))
    try:
        found = read(Listing(sorted(names), moves))
    except TargetUnavailable:
        return  # said so, which is as good
    assert len(found) == len(set(found))
    assert names - gone <= set(found)


def test_a_listing_that_is_replaced_while_it_is_read_is_unavailable() -> None:
    listing = Listing(list(range(20)), {1: (set(range(20)), set(range(100, 120)))})

    with pytest.raises(TargetUnavailable):
        read(listing)
