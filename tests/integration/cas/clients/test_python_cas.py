"""python-cas, unmodified: every version that it speaks, over TLS."""

import ssl
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import cas
import pytest

from tests.support.cas_clients.site import ANNA, Person, Site
from tests.support.sign_on import Application

WITH_ATTRIBUTES = ("3", "CAS_2_SAML_1_0")


@pytest.fixture
def application(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    # Whom the client trusts. Not as `verify_ssl_certificate`, which its SAML version does not look at.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.certificates.authority))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(site.certificates.certificate, site.certificates.key)
    with Application(tls) as application:
        yield application


def client_of(site: Site, application: Application, version: str, proxy_callback: str | None = None) -> cas.CASClient:
    more = {"proxy_callback": proxy_callback} if proxy_callback else {}
    service_url = f"{application.url}/app?next=%2Fa"
    return cas.CASClient(version=version, server_url=f"{site.cas_url}/", service_url=service_url, **more)


def ticket_at(application: Application) -> str:
    """Return the ticket that the browser came with."""
    path = application.requests.pop()[1]
    assert path.startswith("/app?next=%2Fa&ticket=")
    return parse_qs(urlsplit(path).query)["ticket"][0]


@pytest.mark.parametrize("version", ["1", "2", *WITH_ATTRIBUTES])
def test_it_signs_in_and_is_signed_out(site: Site, person: Person, application: Application, version: str) -> None:
    client = client_of(site, application, version)
    person.sign_in_to(client.get_login_url())
    ticket = ticket_at(application)

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


def test_it_gets_a_proxy_ticket(site: Site, person: Person, application: Application) -> None:
    client = client_of(site, application, "3", f"{application.url}/pgt")
    person.sign_in_to(client.get_login_url())
    _user, _attributes, iou = client.verify_ticket(ticket_at(application))
    (pgt,) = parse_qs(urlsplit(application.requests[0][1]).query)["pgtId"]

    assert iou.startswith("PGTIOU-")
    assert client.get_proxy_ticket(pgt).startswith("PT-")


@pytest.mark.parametrize("version", ["2", "3"])
def test_its_sign_out_link_names_where_to_go_on(
    site: Site, person: Person, application: Application, version: str
) -> None:
    client = client_of(site, application, version)
    person.visit(client.get_logout_url(f"{application.url}/bye"))

    # Version 2 says `url`, which becomes a link; version 3 says `service`.
    assert (person.url == f"{application.url}/bye") == (version == "3")
    assert version == "3" or f'href="{application.url}/bye"' in person.text
