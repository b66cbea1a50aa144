"""How long somebody waits after failed sign-ins, and when the CAPTCHA is due. Pure.

- An account's failures slow everybody, except the devices that its owner has signed in with. A known device is judged
  by its own failures alone, so no stranger can keep a person out.
- A network's failures slow everybody in it. A network that has failed on many accounts is treated as guessing.
- An IPv6 address belongs to a subscriber's /64 and to the /56 and /48 around it. All three count; wider ones have
  higher limits. Networks that many people share have higher limits, too.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from idp.db.backoff import Backoff
from idp.sso.settings import ThrottleSettings
from idp.sso.throttle_queries import NONE, Device, Failures

UNREADABLE = "unreadable"  # all texts that are no address share one count
# For IPv6: how many bits wider a network is than `network_bits_v6`, and how many times higher its limits are.
WIDER_V6 = ((0, 1), (8, 4), (16, 16))
_WITH_PORT = re.compile(r"(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9a-f:.]+)\]):[0-9]+", re.ASCII | re.IGNORECASE)


class Scope(StrEnum):
    """Under what failures are counted."""

    ACCOUNT = "account"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Network:
    """Where failures are counted. `factor`: how many times higher its limits are than those in the settings."""

    name: str
    factor: int = 1


@dataclass(frozen=True, slots=True)
class NetworkFailures:
    """What is known about one network of an address."""

    failures: Failures = NONE
    accounts_guessed: int = 0
    factor: int = 1


@dataclass(frozen=True, slots=True)
class Pressure:
    """What is known about a sign-in before the password is checked."""

    account: Failures = NONE
    networks: tuple[NetworkFailures, ...] = ()
    device: Device | None = None


def is_known(pressure: Pressure, settings: ThrottleSettings, now: float) -> bool:
    """Tell whether the device vouches for itself: the account's own, and not spoilt by failures of its own."""
    device = pressure.device
    return device is not None and _lately(device.failures, settings, now).count < settings.device_failures


def is_guessing(network: NetworkFailures, settings: ThrottleSettings) -> bool:
    """Tell whether a network has failed on too many accounts to be people who mistype."""
    return network.accounts_guessed >= settings.guessed_accounts * network.factor


def wait_s(pressure: Pressure, settings: ThrottleSettings, now: float) -> float:
    """Return the seconds until the next attempt is looked at; 0 when it is now."""
    if not settings.enabled or is_known(pressure, settings, now):
        return 0.0
    account = pressure.account
    ends = [account.last_at + delay_s(account.count - settings.account_free_failures, settings)]
    for network in pressure.networks:
        free = settings.guessing_free_failures if is_guessing(network, settings) else settings.network_free_failures
        failures = network.failures
        ends.append(failures.last_at + delay_s(failures.count - free * network.factor, settings))
    return max(max(ends) - now, 0.0)


def delay_s(too_many: int, settings: ThrottleSettings) -> float:
    """Return how long the next attempt waits after this many failures too many: each doubles it, up to a limit."""
    if too_many < 0:
        return 0.0
    return Backoff(settings.first_delay_s, settings.longest_delay_s).wait_s(too_many + 1)


def captcha_is_due(pressure: Pressure, settings: ThrottleSettings, mode: str, now: float) -> bool:
    """Tell whether somebody must show that they are a person before the password is checked."""
    if mode != "adaptive":
        return mode == "always"
    if is_known(pressure, settings, now):
        assert pressure.device is not None
        return _lately(pressure.device.failures, settings, now).count >= settings.captcha_after
    return pressure.account.count >= settings.captcha_after or any(
        network.failures.count >= settings.captcha_after * network.factor or is_guessing(network, settings)
        for network in pressure.networks
    )


def networks_of(address: str, settings: ThrottleSettings) -> tuple[Network, ...]:
    """Return the networks that an address's failures are counted under, the narrowest first.

    Shape:   "203.0.113.7" -> 203.0.113.7/32; "2001:db8::1" -> 2001:db8::/64, /56 and /48
             "::ffff:203.0.113.7" and "203.0.113.7:4711", as some proxies write it, -> 203.0.113.7/32
    """
    ip = _ip_of(address)
    if ip is None:
        return (Network(UNREADABLE),)
    is_shared = any(ip in shared for shared in settings.shared_networks if shared.version == ip.version)
    factor = settings.shared_network_factor if is_shared else 1
    if ip.version == 4:
        return (Network(str(ip_network((ip.packed, settings.network_bits_v4), strict=False)), factor),)
    return tuple(
        Network(str(ip_network((ip.packed, max(settings.network_bits_v6 - wider, 0)), strict=False)), factor * higher)
        for wider, higher in WIDER_V6
    )


def _ip_of(address: str) -> IPv4Address | IPv6Address | None:
    with_port = _WITH_PORT.fullmatch(address)
    try:
        ip = ip_address(with_port["v4"] or with_port["v6"] if with_port else address)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _lately(failures: Failures, settings: ThrottleSettings, now: float) -> Failures:
    return failures if failures.last_at > now - settings.forget_s else NONE
