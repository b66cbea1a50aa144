"""Which addresses a request may reach."""

from ipaddress import ip_address, ip_network

import pytest

from idp.drivers.http import may_reach

CAMPUS = [ip_network("10.0.0.0/8")]


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("fees.example", "93.184.216.34", True),
        ("fees.example", "10.1.2.3", True),
        ("fees.example", "192.168.1.1", False),
        ("fees.example", "127.0.0.1", False),
        ("fees.example", "::ffff:127.0.0.1", False),
        ("fees.example", "169.254.169.254", False),
        ("fees.example", "224.0.0.1", False),
        ("fees.example", "0.0.0.0", False),  # noqa: S104 - nothing listens; it means "this machine" to many systems
        ("fees.example", "2606:4700::1111", True),
        ("fees.example", "64:ff9b::5db8:d822", True),  # NAT64 of 93.184.216.34
        ("fees.example", "64:ff9b::7f00:1", False),  # NAT64 of 127.0.0.1
        ("fees.example", "64:ff9b::a9fe:a9fe", False),  # NAT64 of 169.254.169.254
        ("fees.example", "64:ff9b:1::7f00:1", False),  # NAT64 with a local prefix
        ("fees.example", "64:ff9b::a01:203", True),  # NAT64 of an address of the campus
        ("fees.example", "2002:7f00:1::", False),  # 6to4
        ("fees.example", "2002:c0a8:101::1", False),
        ("fees.example", "2001:0:102:304:0:0:80ff:fffe", False),  # Teredo of 127.0.0.1
        ("fees.example", "::7f00:1", False),  # IPv4-compatible
        ("fees.example", "::ffff:0:c0a8:101", False),  # translated
        ("fees.example", "fec0::1", False),
        ("fees.example", "fe80::1", False),
        ("fees.example", "fd00::1", False),
        ("fees.example", "ff0e::1", False),
        ("fees.example", "4000::1", False),
        ("fees.example", "5f00::1", False),
        ("fees.example", "::", False),
        ("fees.example", "::1", False),
        ("fees.example", "192.88.99.1", False),
        ("localhost", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("[::1]", "::1", True),
    ],
)
def test_inward_addresses_are_reached_only_where_they_are_named_or_configured(
    host: str, address: str, may: bool
) -> None:
    assert may_reach(host, ip_address(address), CAMPUS) is may
