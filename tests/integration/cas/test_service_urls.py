"""What clients put into a service URL: hash routes, escaped slashes, letters of their own language."""

import pytest

from tests.support.sign_on import Browser, ticket_in

APP = "http://127.0.0.1:9000/app"


@pytest.mark.parametrize(
    ("service", "before_ticket", "after_ticket", "validated_as"),
    [
        (f"{APP}#/inbox", f"{APP}?ticket=", "#/inbox", APP),
        (f"{APP}#/inbox", f"{APP}?ticket=", "#/inbox", f"{APP}#/inbox"),
        (f"{APP}?b=ż", f"{APP}?b=%C5%BC&ticket=", "", f"{APP}?b=%C5%BC"),
        (f"{APP}?b=ż", f"{APP}?b=%C5%BC&ticket=", "", f"{APP}?b=ż"),
        (f"{APP}/opłaty", f"{APP}/op%C5%82aty?ticket=", "", f"{APP}/op%C5%82aty"),
        (f"{APP}/a%2Fb", f"{APP}/a%2Fb?ticket=", "", f"{APP}/a%2Fb"),
    ],
)
def test_a_ticket_comes_back_to_the_address_as_the_application_reads_it(
    signed_in: Browser, service: str, before_ticket: str, after_ticket: str, validated_as: str
) -> None:
    answer = signed_in.open("/cas/login", service=service)
    location = answer.headers["Location"]

    assert location.startswith(before_ticket)
    assert location.endswith(after_ticket)
    validated = signed_in.open("/cas/serviceValidate", service=validated_as, ticket=ticket_in(answer))
    assert "authenticationSuccess" in validated.text


def test_the_way_back_without_a_ticket_is_ascii_too(signed_in: Browser) -> None:
    answer = signed_in.client.get("/cas/logout", query_string={"service": f"{APP}?b=ż#ż"})

    assert answer.headers["Location"] == f"{APP}?b=%C5%BC#%C5%BC"
