"""How long a try waits, and when the CAPTCHA is due."""

import pytest

from idp.sso.settings import ThrottleSettings
from idp.sso.throttle import (
    NetworkFailures,
    Pressure,
    captcha_is_due,
    delay_s,
    is_known,
    networks_of,
    wait_s,
)
from idp.sso.throttle_queries import Device, Failures

NOW = 1_000_000.0
LIMITS = ThrottleSettings()
KNOWN = Device("hash", Failures())


def failed(count: int, ago_s: float = 0) -> Failures:
    return Failures(count, NOW - ago_s)


def from_network(count: int = 0, accounts_guessed: int = 0, factor: int = 1) -> Pressure:
    return Pressure(networks=(NetworkFailures(), NetworkFailures(failed(count), accounts_guessed, factor)))


def test_the_first_failures_cost_nothing_and_each_further_one_doubles_the_wait() -> None:
    waits = [wait_s(Pressure(account=failed(count)), LIMITS, NOW) for count in range(4, 9)]

    assert waits == [0, 2, 4, 8, 16]


def test_the_wait_has_a_limit_however_many_failures_there_are() -> None:
    assert delay_s(1_000_000, LIMITS) == LIMITS.longest_delay_s


def test_waiting_is_over_when_its_time_has_passed() -> None:
    assert wait_s(Pressure(account=failed(6, ago_s=3)), LIMITS, NOW) == 1
    assert wait_s(Pressure(account=failed(6, ago_s=5)), LIMITS, NOW) == 0


def test_a_network_is_slowed_by_its_failures_whatever_the_account() -> None:
    assert wait_s(from_network(49), LIMITS, NOW) == 0
    assert wait_s(from_network(50), LIMITS, NOW) == 2


def test_a_network_that_failed_on_many_accounts_is_slowed_much_sooner() -> None:
    guessing = from_network(3, accounts_guessed=20)

    assert wait_s(guessing, LIMITS, NOW) == 2
    assert captcha_is_due(from_network(accounts_guessed=20), LIMITS, "adaptive", NOW)


@pytest.mark.parametrize(
    "pressure",
    [Pressure(account=failed(99), device=KNOWN), Pressure(networks=from_network(99).networks, device=KNOWN)],
)
def test_nobody_can_shut_a_known_device_out(pressure: Pressure) -> None:
    assert wait_s(pressure, LIMITS, NOW) == 0
    assert not captcha_is_due(pressure, LIMITS, "adaptive", NOW)


def test_a_known_device_has_a_limit_of_its_own() -> None:
    spoilt = Pressure(account=failed(10), device=Device("hash", failed(10)))

    assert not is_known(spoilt, LIMITS, NOW)
    assert wait_s(spoilt, LIMITS, NOW) > 0


def test_the_failures_of_a_device_are_forgotten_like_all_others() -> None:
    assert is_known(Pressure(device=Device("hash", failed(10, ago_s=3601))), LIMITS, NOW)


@pytest.mark.parametrize(
    ("pressure", "is_due"),
    [
        (Pressure(), False),
        (Pressure(account=failed(2)), False),
        (Pressure(account=failed(3)), True),
        (from_network(3), True),
        (Pressure(device=Device("hash", failed(3))), True),
    ],
)
def test_the_captcha_is_due_after_three_failures(pressure: Pressure, is_due: bool) -> None:
    assert captcha_is_due(pressure, LIMITS, "adaptive", NOW) is is_due
    assert captcha_is_due(pressure, LIMITS, "always", NOW)
    assert not captcha_is_due(pressure, LIMITS, "off", NOW)


def test_without_the_throttle_nobody_waits() -> None:
    assert wait_s(Pressure(account=failed(99)), ThrottleSettings(enabled=False), NOW) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7:4711", "203.0.113.7/32"),
        ("[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unreadable"),
        ("unknown", "unreadable"),
        ("[203.0.113.7", "unreadable"),
        ("_hidden:80", "unreadable"),
    ],
)
def test_failures_are_counted_by_network(address: str, network: str) -> None:
    assert networks_of(address, LIMITS)[0].name == network


def test_wider_networks_of_an_ipv6_address_count_with_higher_limits() -> None:
    networks = networks_of("2001:db8:1:2ff:3:4:5:6", LIMITS)

    assert [(network.name, network.factor) for network in networks] == [
        ("2001:db8:1:2ff::/64", 1),
        ("2001:db8:1:200::/56", 4),
        ("2001:db8:1::/48", 16),
    ]


def test_a_guesser_who_changes_the_64_is_slowed_by_the_48() -> None:
    """Each /64 failed once, and the /48 with all of them often enough."""
    networks = (
        NetworkFailures(failed(1)),
        NetworkFailures(failed(200), factor=4),
        NetworkFailures(failed(801), factor=16),
    )

    assert wait_s(Pressure(networks=networks), LIMITS, NOW) == 4


@pytest.mark.parametrize(
    ("address", "factor"),
    [("10.1.2.3", 20), ("::ffff:10.1.2.3", 20), ("10.1.2.3:80", 20), ("fd00::7", 20), ("10.2.0.1", 1)],
)
def test_a_network_that_many_people_share_has_higher_limits(address: str, factor: int) -> None:
    limits = ThrottleSettings.model_validate({"shared_networks": ["10.1.0.0/16", "fd00::/8"]})

    assert networks_of(address, limits)[0].factor == factor


def test_a_shared_network_is_slowed_in_the_end() -> None:
    assert wait_s(from_network(999, factor=20), LIMITS, NOW) == 0
    assert wait_s(from_network(1000, factor=20), LIMITS, NOW) == 2
    assert not captcha_is_due(from_network(59, factor=20), LIMITS, "adaptive", NOW)
    assert captcha_is_due(from_network(accounts_guessed=400, factor=20), LIMITS, "adaptive", NOW)
