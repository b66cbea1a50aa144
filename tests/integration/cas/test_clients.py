"""Unmodified CAS clients against the running service."""

from collections.abc import Iterator
from urllib.parse import parse_qs

import cas
import pytest

from tests.integration.cas.conftest import PASSWORD, People
from tests.support.sign_on import Application, Browser, SignOn, serving, ticket_in

APP = "http://127.0.0.1:9000/app?next=%2Fa"


@pytest.fixture
def address(sign_on: SignOn) -> Iterator[str]:
    with serving(sign_on.app) as address:
        yield address


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_python_cas_signs_in(address: str, visitor: Browser, people: People, version: str) -> None:
    client = cas.CASClient(version=version, service_url=APP, server_url=f"{address}/cas/")
    ticket = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))

    user, attributes, _ = client.verify_ticket(ticket)

    assert user == people.anna.uid
    assert client.verify_ticket(ticket)[0] is None
    if version == "3":
        assert attributes["givenName"] == "Żaneta"
        assert attributes["isFromNewLogin"] == "true"


def test_python_cas_is_signed_out(address: str, visitor: Browser, application: Application) -> None:
    client = cas.CASClient(version="3", service_url=application.url, server_url=f"{address}/cas/")
    ticket = ticket_in(visitor.sign_in("12345", PASSWORD, service=application.url))
    client.verify_ticket(ticket)

    visitor.open("/cas/logout")

    ((_, _, body),) = application.requests
    (document,) = parse_qs(body.decode())["logoutRequest"]
    assert client.verify_logout_request(document, ticket)


def test_python_cas_gets_a_proxy_ticket(address: str, signed_in: Browser, application: Application) -> None:
    client = cas.CASClient(
        version="3", service_url=APP, server_url=f"{address}/cas/", proxy_callback=f"{application.url}/pgt"
    )
    _user, _attributes, iou = client.verify_ticket(signed_in.ticket(APP))
    pgt = application.requests[0][1].split("pgtId=")[1].split("&")[0]

    assert iou.startswith("PGTIOU-")
    assert client.get_proxy_ticket(pgt).startswith("PT-")


@pytest.mark.parametrize(("version", "parameter"), [("2", "url"), ("3", "service")])
def test_python_cas_builds_addresses_that_we_understand(
    address: str, signed_in: Browser, version: str, parameter: str
) -> None:
    client = cas.CASClient(version=version, service_url=APP, server_url=f"{address}/cas/")

    path = client.get_logout_url("http://127.0.0.1:9000/bye").removeprefix(address)

    assert f"{parameter}=" in path
    answer = signed_in.client.get(path)
    assert "http://127.0.0.1:9000/bye" in answer.text + str(answer.headers)
