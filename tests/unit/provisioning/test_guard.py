"""The limits of a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import UnsafePlan
from idp.provisioning.guard import Limits, refuse_if_unsafe
from idp.provisioning.settings import LimitSettings
from idp.provisioning.values import Kind

COUNTS = st.dictionaries(st.sampled_from(Kind), st.integers(0, 10_000))


def test_a_feed_that_suspends_everyone_is_refused() -> None:
    with pytest.raises(UnsafePlan, match="disable: 6200 of 6200, limit 124"):
        refuse_if_unsafe({Kind.DISABLE: 6200}, population=6200, limits=Limits(share=0.02, floor=50))


def test_the_share_counts_only_above_the_floor() -> None:
    limits = Limits(share=0.02, floor=50)

    refuse_if_unsafe({Kind.DISABLE: 50}, population=60, limits=limits)
    with pytest.raises(UnsafePlan):
        refuse_if_unsafe({Kind.DISABLE: 51}, population=60, limits=limits)


def test_each_kind_has_its_own_limit_and_all_that_are_over_are_named() -> None:
    limits = {Kind.UPDATE: Limits(0, 10), Kind.DISABLE: Limits(0, 5), Kind.ENABLE: Limits(0, 5)}

    with pytest.raises(UnsafePlan) as refused:
        refuse_if_unsafe({Kind.UPDATE: 11, Kind.DISABLE: 6, Kind.ENABLE: 5}, population=100, limits=limits)
    assert str(refused.value) == "update: 11 of 100, limit 10; disable: 6 of 100, limit 5"


def test_a_first_load_is_free() -> None:
    refuse_if_unsafe({Kind.CREATE: 1_000_000}, population=0, limits=Limits(0, 0))
    with pytest.raises(UnsafePlan):
        refuse_if_unsafe({Kind.CREATE: 1}, population=1, limits=Limits(0, 0))


def test_a_kind_without_a_limit_is_not_to_be_used() -> None:
    with pytest.raises(UnsafePlan, match="move: 1 of 10, limit 0"):
        refuse_if_unsafe({Kind.MOVE: 1}, population=10, limits={Kind.UPDATE: Limits(1, 100)})


def test_by_default_nothing_is_removed() -> None:
    with pytest.raises(UnsafePlan):
        refuse_if_unsafe({Kind.REMOVE: 1}, population=1_000_000, limits=LimitSettings().by_kind())


@given(counts=COUNTS, population=st.integers(0, 10_000), share=st.floats(0, 1), floor=st.integers(0, 200))
def test_none_over_a_limit_passes_and_none_under_it_is_stopped(
    counts: dict[Kind, int], population: int, share: float, floor: int
) -> None:
    limits = Limits(share, floor)
    over = [
        kind
        for kind, count in counts.items()
        if count > max(floor, int(share * population)) and not (kind is Kind.CREATE and population == 0)
    ]
    if over:
        with pytest.raises(UnsafePlan):
            refuse_if_unsafe(counts, population, limits)
    else:
        refuse_if_unsafe(counts, population, limits)
