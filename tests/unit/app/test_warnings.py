"""`idp config check` names what is allowed and still risky."""

import pytest

from idp.app.settings import Settings, warnings
from idp.sso.settings import SsoSettings, ThrottleSettings
from idp.web.settings import WebSettings

BEHIND_A_PROXY = WebSettings(base_url="https://id.example", trusted_proxies=1)


@pytest.mark.parametrize(
    ("sections", "warned"),
    [
        ({}, ""),
        ({"sso": SsoSettings(throttle=ThrottleSettings(enabled=False))}, "sso.throttle.enabled"),
        ({"web": WebSettings(base_url="https://id.example")}, "web.trusted_proxies"),
        ({"web": WebSettings(base_url="http://id.example")}, "web.base_url"),
    ],
)
def test_what_is_risky_is_warned_of(sections: dict[str, object], warned: str) -> None:
    found = warnings(Settings.model_validate({"web": BEHIND_A_PROXY, **sections}))

    assert [text.partition(" ")[0] for text in found] == ([warned] if warned else [])
