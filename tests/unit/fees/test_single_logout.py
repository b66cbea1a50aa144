"""The request by which CAS ends a session."""

import pytest

from idp.errors import InvalidInput
from idp.fees.cas_client import ended_ticket

REQUEST = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="LR-1" Version="2.0" '
    'IssueInstant="2026-10-01T10:00:00Z"><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">@NOT_USED@'
    "</saml:NameID><samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>"
)
# lxml reads UTF-7, in which no byte of "<!DOCTYPE" stands as itself.
IN_UTF_7 = (
    '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY b "ST-1"]+AD4-'
    + REQUEST.format("&b;").partition("?>")[2]
)


def test_the_ticket_stands_in_the_session_index() -> None:
    assert ended_ticket(REQUEST.format("ST-1-abc")) == "ST-1-abc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ST-1-abc",
        "<a/>",
        REQUEST.format(""),
        REQUEST.format("ST-1")[:-5],
        '<!DOCTYPE a [<!ENTITY b "c">]>' + REQUEST.format("&b;"),
        IN_UTF_7,
        REQUEST.format("x" * 20_000),
    ],
)
def test_anything_else_is_no_logout_request(text: str) -> None:
    with pytest.raises(InvalidInput):
        ended_ticket(text)
