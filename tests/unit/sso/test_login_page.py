"""A form counts only when it comes from our own page."""

import pytest

from idp.sso.login_page import is_own_origin


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_ours"),
    [
        ("", "", True),
        ("http://localhost", "same-origin", True),
        ("", "none", True),
        ("http://evil.example", "", False),
        ("null", "", False),
        ("http://localhost", "cross-site", False),
        ("", "same-site", False),
    ],
)
def test_a_form_from_elsewhere_is_refused_where_the_browser_says_so(
    origin: str, fetch_site: str, is_ours: bool
) -> None:
    assert is_own_origin(origin, fetch_site, ["http://localhost"]) is is_ours
