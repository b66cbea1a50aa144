"""How long somebody waits after failed sign-ins, and when the CAPTCHA is due. Pure.

An account's failures slow everybody down but the devices that its owner has signed in with: those are judged by their
own failures alone, so that no stranger can keep a person out. A network's failures slow whoever comes from it; a
network that has failed on many accounts is taken for guessing, however slowly it goes.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from idp.sso.settings import ThrottleSettings
from idp.sso.throttle_queries import NONE, Device, Failures

UNREADABLE = "unreadable"  # all addresses that are none share one count: none of them goes without
_WITH_PORT = re.compile(r"(?:(?P<v4>[0-9.]+)|\[(?P<v6>[0-9a-f:.]+)\]):[0-9]+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about a sign-in before the password is looked at."""

    account: Failures = NONE
    network: Failures = NONE
    accounts_guessed: int = 0
    device: Device | None = None


def is_known(standing: Standing, settings: ThrottleSettings, now: float) -> bool:
    """Tell whether the device vouches for itself: the account's own, and not spoilt by failures of its own."""
    device = standing.device
    return device is not None and _lately(device.failures, settings, now).count < settings.device_failures


def is_guessing(standing: Standing, settings: ThrottleSettings) -> bool:
    """Tell whether a network has failed on too many accounts to be people who mistype."""
    return standing.accounts_guessed >= settings.guessed_accounts


def wait_s(standing: Standing, settings: ThrottleSettings, now: float) -> float:
    """Return the seconds until the next try is looked at; 0 when it is now."""
    if not settings.enabled or is_known(standing, settings, now):
        return 0.0
    free = settings.guessing_free_failures if is_guessing(standing, settings) else settings.network_free_failures
    account, network = standing.account, standing.network
    return max(
        account.last_at + delay_s(account.count - settings.account_free_failures, settings) - now,
        network.last_at + delay_s(network.count - free, settings) - now,
        0.0,
    )


def delay_s(too_many: int, settings: ThrottleSettings) -> float:
    """Return how long the next try waits after this many failures too many: each doubles it, up to a limit."""
    if too_many < 0:
        return 0.0
    # Limited before the power: 2 ** 10000 is a number that takes its time.
    return float(min(settings.first_delay_s * 2 ** min(too_many, 30), settings.longest_delay_s))


def captcha_is_due(standing: Standing, settings: ThrottleSettings, mode: str, now: float) -> bool:
    """Tell whether a person must show that they are one before the password is looked at."""
    if mode != "adaptive":
        return mode == "always"
    if is_known(standing, settings, now):
        assert standing.device is not None
        return _lately(standing.device.failures, settings, now).count >= settings.captcha_after
    most = max(standing.account.count, standing.network.count)
    return most >= settings.captcha_after or is_guessing(standing, settings)


def network_of(address: str, settings: ThrottleSettings) -> str:
    """Return what an address's failures are counted under; "" when many people share it, by setting.

    Shape:   "203.0.113.7" -> "203.0.113.7/32"; "2001:db8::1" -> "2001:db8::/64", which one subscriber has;
             "::ffff:203.0.113.7" and "203.0.113.7:4711", as some proxies write it, -> "203.0.113.7/32"
    """
    ip = _ip_of(address)
    if ip is None:
        return UNREADABLE
    if any(ip in shared for shared in settings.shared_networks if shared.version == ip.version):
        return ""
    bits = settings.network_bits_v4 if ip.version == 4 else settings.network_bits_v6
    return str(ip_network((ip.packed, bits), strict=False))


def _ip_of(address: str) -> IPv4Address | IPv6Address | None:
    with_port = _WITH_PORT.fullmatch(address)
    try:
        ip = ip_address(with_port["v4"] or with_port["v6"] if with_port else address)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _lately(failures: Failures, settings: ThrottleSettings, now: float) -> Failures:
    return failures if failures.last_at > now - settings.forget_s else NONE
