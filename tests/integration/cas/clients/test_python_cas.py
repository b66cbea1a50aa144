"""python-cas, unmodified: every version that it speaks, over TLS."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import cas
import pytest

from tests.support.cas_clients.site import ANNA, Person, Site
from tests.support.sign_on import Application

WITH_ATTRIBUTES = ("3", "CAS_2_SAML_1_0")


@pytest.fixture
def application() -> Iterator[Application]:
    with Application() as application:
        yield application


@pytest.mark.parametrize("version", ["1", "2", *WITH_ATTRIBUTES])
def test_it_signs_in_and_is_signed_out(
    site: Site, person: Person, application: Application, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not as `verify_ssl_certificate`, which its SAML version does not look at.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.certificates.authority))
    client = cas.CASClient(
        version=version, server_url=f"{site.cas_url}/", service_url=f"{application.url}/app?next=%2Fa"
    )
    person.sign_in_to(client.get_login_url())
    path = application.requests.pop()[1]
    assert path.startswith("/app?next=%2Fa&")
    (ticket,) = parse_qs(urlsplit(path).query)["ticket"]

    user, attributes, _ = client.verify_ticket(ticket)

    assert user == ANNA.uid
    assert client.verify_ticket(ticket)[0] is None
    if version in WITH_ATTRIBUTES:
        assert attributes["givenName"] == "Anna & Łucja"
        assert attributes["eduPersonAffiliation"] == ["student", "member"]
        assert attributes["isFromNewLogin"] == "true"
    assert person.sign_out() == ["Application python: signed out"]
    ((_, path, body),) = application.requests
    (document,) = parse_qs(body.decode())["logoutRequest"]
    assert path == "/app?next=%2Fa"
    # Only version 3 reads the document by itself; the ticket in it is the one that every application has kept.
    assert f"<samlp:SessionIndex>{ticket}</samlp:SessionIndex>" in document
    if version == "3":
        assert client.verify_logout_request(document, ticket)
