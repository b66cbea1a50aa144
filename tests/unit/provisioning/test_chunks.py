"""The order and the chunks of a run, and how long what fails is left alone."""

import pytest

from idp.provisioning.chunks import ALL, DISABLE, REST, Chunk, phases
from idp.provisioning.settings import ProvisioningSettings
from idp.provisioning.values import Kind


def test_doors_close_from_the_first_target_and_open_from_the_last() -> None:
    assert phases(["accounts", "ldap", "keycloak"]) == [
        ("accounts", DISABLE),
        ("ldap", DISABLE),
        ("keycloak", ALL),
        ("ldap", REST),
        ("accounts", REST),
    ]
    assert phases(["ldap"]) == [("ldap", ALL)]
    assert phases([]) == []


def test_every_kind_of_change_has_its_turn_exactly_once() -> None:
    for target in ("accounts", "ldap"):
        turns = [Chunk(kind, way, 0, 1).kinds for kind, way in phases(["accounts", "ldap"]) if kind == target]
        made = [kind for kinds in turns for kind in (kinds or [each.value for each in Kind])]
        assert sorted(made) == sorted(Kind)


def test_portions_cover_all_numbers_without_overlap() -> None:
    parts = [Chunk("ldap", ALL, number, 30) for number in range(3)]

    assert [(part.after + 1, part.upto) for part in parts] == [(1, 30), (31, 60), (61, 90)]


@pytest.mark.parametrize(("failures", "expected"), [(1, 0.5), (2, 1.0), (4, 4.0), (7, 20.0), (10_000, 20.0)])
def test_what_fails_is_left_alone_twice_as_long_each_time_up_to_a_limit(failures: int, expected: float) -> None:
    backoff = ProvisioningSettings(target_retry_s=0.5, target_retry_most_s=20.0).target_backoff

    assert [backoff.wait_s(failures, chance) for chance in (0.5, 0.0, 1.0)] == [
        expected,
        expected * 0.75,
        expected * 1.25,
    ]
