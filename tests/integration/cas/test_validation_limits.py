"""What an application cannot do to the validation endpoints, whether it means to or not."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.cas.tickets import MAX_CALLBACKS
from idp.web.plumbing import MAX_REQUEST_BYTES
from tests.conformance.cas.test_saml import ask, found
from tests.integration.cas.conftest import PASSWORD
from tests.support.sign_on import Application, Browser, SignOn

APP = "http://127.0.0.1:9000/app"


def test_a_saml_body_that_is_too_large_is_refused_as_such(
    signed_in: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(signed_in, "ST-1", question="x" * (MAX_REQUEST_BYTES + 1))

    assert answer.status_code == 413
    assert "Traceback" not in "".join(capsys.readouterr())


def test_the_issuer_of_saml_answers_is_the_address_in_the_settings(signed_in: Browser) -> None:
    ticket = signed_in.ticket("https://127.0.0.1:9000/app")

    assert found(ask(signed_in, ticket, target="https://127.0.0.1:9000/app"), "//saml:Assertion/@Issuer") == [
        "localhost"
    ]


def test_callbacks_that_hang_leave_threads_free_and_spare_the_ticket_of_the_next_one(
    sign_on: SignOn, application: Application
) -> None:
    browsers = [sign_on.browser() for _ in range(MAX_CALLBACKS + 1)]
    for browser in browsers:
        assert browser.sign_in("12345", PASSWORD).status_code == 303
    tickets = [browser.ticket(APP) for browser in browsers]
    released = threading.Event()

    def hang() -> None:
        released.wait(10)

    application.before_answer = hang

    def validate(number: int) -> str:
        query = {"service": APP, "ticket": tickets[number], "pgtUrl": f"{application.url}/pgt"}
        return browsers[number].open("/cas/serviceValidate", **query).text

    with ThreadPoolExecutor(MAX_CALLBACKS) as pool:
        hanging = [pool.submit(validate, number) for number in range(MAX_CALLBACKS)]
        until = time.monotonic() + 10
        while len(application.requests) < MAX_CALLBACKS and time.monotonic() < until:
            time.sleep(0.01)
        assert len(application.requests) == MAX_CALLBACKS

        refused = validate(MAX_CALLBACKS)
        released.set()

    assert 'code="INTERNAL_ERROR"' in refused
    assert "try again" in refused
    assert len(application.requests) == MAX_CALLBACKS
    assert all("<cas:proxyGrantingTicket>" in each.result() for each in hanging)
    assert "<cas:proxyGrantingTicket>" in validate(MAX_CALLBACKS)  # with the same ticket
