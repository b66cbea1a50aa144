"""The limits of a plan."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.provisioning.guard import Limits, excesses, sentence
from idp.provisioning.run import LimitViolation
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.values import Kind
from tests.support.counts import Counts

SHARES = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
NUMBERS = st.integers(0, 300)
LIMITS = st.builds(Limits, SHARES, NUMBERS, st.none() | NUMBERS)


def over(
    counts: Mapping[Kind, int], population: int, limits: Limits | Mapping[str, Limits], *, is_first_load: bool = False
) -> str:
    """Return the sentence about what is over."""
    by_word = {kind.value: count for kind, count in counts.items()}
    by_kind = everywhere(limits) if isinstance(limits, Limits) else limits
    return sentence(excesses("ldap", by_word, population, by_kind, is_first_load=is_first_load))


def everywhere(limits: Limits) -> Mapping[str, Limits]:
    """Return the same limits for every kind of change."""
    return dict.fromkeys(Kind, limits)


def test_a_feed_that_suspends_everyone_is_over_the_limit() -> None:
    (found,) = excesses("ldap", {"disable": 6200}, 6200, everywhere(Limits(share=0.02, floor=50)))

    assert found == LimitViolation("ldap", "disable", count=6200, population=6200, limit=124)
    assert sentence([found]) == "ldap disable: 6,200 of 6,200, limit 124"


def test_what_was_done_the_day_before_counts_and_is_named() -> None:
    limits = everywhere(Limits(0.02, 50))
    (found,) = excesses("ldap", {"disable": 50, "enable": 50}, 6200, limits, before={"disable": 75})

    assert found == LimitViolation("ldap", "disable", count=50, population=6200, limit=124, before=75)
    assert sentence([found]) == "ldap disable: 50 of 6,200 and 75 in the last 24 hours, limit 124"


def test_the_share_counts_only_above_the_floor() -> None:
    limits = Limits(share=0.02, floor=50)

    assert over({Kind.DISABLE: 50}, 60, limits) == ""
    assert over({Kind.DISABLE: 51}, 60, limits) == "ldap disable: 51 of 60, limit 50"


def test_the_count_holds_however_large_the_university_is() -> None:
    limits = Limits(share=0.02, floor=50, count=1000)

    assert over({Kind.DISABLE: 1000}, 1_000_000, limits) == ""
    assert over({Kind.DISABLE: 1001}, 1_000_000, limits) == "ldap disable: 1,001 of 1,000,000, limit 1,000"
    assert Limits(share=0, floor=50, count=7).most(1_000_000) == 7


@pytest.mark.parametrize(("share", "population", "most"), [(0.29, 100, 29), (0.07, 100, 7), (0.02, 6200, 124)])
def test_a_share_means_what_it_says_in_decimals(share: float, population: int, most: int) -> None:
    assert Limits(share, floor=0).most(population) == most


def test_each_kind_has_its_own_limit_and_all_that_are_over_are_named() -> None:
    limits: dict[str, Limits] = {Kind.UPDATE: Limits(0, 10), Kind.DISABLE: Limits(0, 5), Kind.ENABLE: Limits(0, 5)}

    assert over({Kind.UPDATE: 11, Kind.DISABLE: 6, Kind.ENABLE: 5}, 100, limits) == (
        "ldap disable: 6 of 100, limit 5; ldap update: 11 of 100, limit 10"
    )


def test_a_first_load_is_free() -> None:
    assert over({Kind.CREATE: 1_000_000}, 0, Limits(0, 0, count=0), is_first_load=True) == ""
    assert over({Kind.CREATE: 1}, 1, Limits(0, 0)) == "ldap create: 1 of 1, limit 0"


def test_an_empty_target_that_had_entries_of_ours_is_no_first_load() -> None:
    assert over({Kind.CREATE: 6200}, 0, Limits(0.5, 500, count=5000)) == "ldap create: 6,200 of 0, limit 500"


def test_only_entries_that_are_made_are_free_in_an_empty_target() -> None:
    changes = {Kind.CREATE: 1000, Kind.DISABLE: 1}

    assert over(changes, 0, Limits(0, 0), is_first_load=True) == "ldap disable: 1 of 0, limit 0"


def test_a_kind_without_a_limit_is_not_to_be_used() -> None:
    assert over({Kind.RENAME: 1}, 10, {Kind.UPDATE: Limits(1, 100)}) == "ldap rename: 1 of 10, limit 0"


def test_by_default_nothing_is_removed() -> None:
    assert over({Kind.REMOVE: 1}, 1_000_000, LimitSettings().by_kind()) == "ldap remove: 1 of 1,000,000, limit 0"


def test_a_target_may_have_other_limits_and_keeps_the_rest() -> None:
    provisioning = ProvisioningSettings(
        limits=LimitSettings(update_floor=7), target_limits={"keycloak": LimitSettings(disable_floor=3)}
    )
    of_keycloak, of_ldap = provisioning.limits_of("keycloak"), provisioning.limits_of("ldap")

    assert (of_keycloak[Kind.DISABLE].floor, of_ldap[Kind.DISABLE].floor) == (3, 50)
    assert (of_keycloak[Kind.UPDATE].floor, of_ldap[Kind.UPDATE].floor) == (7, 7)


def test_none_over_a_limit_passes_and_none_under_it_is_stopped(counts: Counts) -> None:
    limits_of_kinds = st.fixed_dictionaries(dict.fromkeys(Kind, LIMITS))
    changes_of_kinds = st.dictionaries(st.sampled_from([kind.value for kind in Kind]), NUMBERS)

    @settings(max_examples=counts.plans)
    @given(changes_of_kinds, NUMBERS, limits_of_kinds, st.booleans())
    def check(changes: dict[str, int], population: int, limits: dict[str, Limits], is_first_load: bool) -> None:
        expected = {
            kind
            for kind, count in changes.items()
            if not (kind == Kind.CREATE and is_first_load) and not is_allowed(count, population, limits[kind])
        }
        found = excesses("ldap", changes, population, limits, is_first_load=is_first_load)
        assert {one.kind for one in found} == expected

    check()


def is_allowed(count: int, population: int, limits: Limits) -> bool:
    """The rule in other words: within the count, and few, or a small part."""
    if limits.count is not None and count > limits.count:
        return False
    return count <= limits.floor or count <= Fraction(str(limits.share)) * population
