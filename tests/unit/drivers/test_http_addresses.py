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
        ("localhost", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("[::1]", "::1", True),
    ],
)
def test_inward_addresses_are_reached_only_where_they_are_named_or_configured(
    host: str, address: str, may: bool
) -> None:
    assert may_reach(host, ip_address(address), CAMPUS) is may
