"""Who is signed in and gets no ticket, who comes with an address that nobody registered, and what ends meanwhile."""

import pytest

from idp.cas.tickets import TicketDenied
from idp.db.databases import Databases
from idp.people.account_queries import set_enabled
from idp.sso import sessions
from tests.support.clock import ManualClock
from tests.support.sign_on import LOOPBACK, Application, Browser, SignOn

STRICT = "https://strict.example/app"
REGISTRATION = """id = "strict"
name = { pl = "Ścisła", en = "Strict" }
owner = "tests"
contact = "strict@po.edu.pl"
second_factor = "%s"
url = [{ host = "strict.example", path = "/app" }]
"""


@pytest.fixture
def strict(sign_on: SignOn, clock: ManualClock) -> None:
    sign_on.register("strict", REGISTRATION % "demanded")
    clock.advance(5)


@pytest.mark.usefixtures("strict")
def test_a_service_that_demands_a_second_factor_gets_no_ticket(sign_on: SignOn, signed_in: Browser) -> None:
    answer = signed_in.open("/cas/login", service=STRICT, lang="en")

    assert answer.status_code == 403
    assert "Strict needs more than a password" in answer.text
    assert "strict@po.edu.pl" in answer.text
    assert "ST-" not in answer.text
    assert sign_on.events("ticket.denied") == [("anna", "second_factor")]
    assert sign_on.events("ticket.issued") == []


@pytest.mark.usefixtures("strict")
def test_gateway_leads_back_from_there_without_a_ticket(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/login", service=STRICT, gateway="true")

    assert answer.headers["Location"] == STRICT


@pytest.mark.usefixtures("strict")
def test_no_way_leads_round_it(sign_on: SignOn, signed_in: Browser) -> None:
    (session,) = sessions.list_of(sign_on.raw, sign_on.clock, "anna")
    service, _ = sign_on.tickets.application_for(STRICT)

    with pytest.raises(TicketDenied):
        sign_on.tickets.issue(session, service, STRICT, from_new_login=True)


def test_a_ticket_from_before_the_demand_is_refused(sign_on: SignOn, signed_in: Browser, clock: ManualClock) -> None:
    sign_on.register("strict", REGISTRATION % "not_demanded")
    clock.advance(5)
    ticket = signed_in.ticket(STRICT)
    sign_on.register("strict", REGISTRATION % "demanded" + "# later\n")
    clock.advance(5)

    assert "INVALID_TICKET_SPEC" in signed_in.open("/cas/serviceValidate", service=STRICT, ticket=ticket).text


def test_an_address_that_nobody_registered_is_in_the_journal_by_its_host(sign_on: SignOn, visitor: Browser) -> None:
    for _ in range(3):
        assert visitor.open("/cas/login", service="https://evil.example/?secret=1").status_code == 403

    with sign_on.raw.lend() as raw:
        rows = raw.all("SELECT data FROM event_pending WHERE kind = 'application.unregistered'")
    assert rows == [('{"host":"evil.example","refused":1}',)]


class TestProxyGrantingTickets:
    """They count as long as the service and the session do."""

    def pgt(self, browser: Browser, application: Application, service: str) -> str:
        browser.open(
            "/cas/serviceValidate", service=service, ticket=browser.ticket(service), pgtUrl=f"{application.url}/pgt"
        )
        return application.requests[-1][1].split("pgtId=")[1].split("&")[0]

    def test_an_expired_service_gets_no_proxy_ticket(
        self, sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
    ) -> None:
        sign_on.register("target", REGISTRATION.replace("strict", "target") % "not_demanded")
        clock.advance(5)
        pgt = self.pgt(signed_in, application, "http://127.0.0.1:9000/app")
        target = "https://target.example/app"
        assert "proxySuccess" in signed_in.open("/cas/proxy", pgt=pgt, targetService=target).text

        sign_on.register("loopback", LOOPBACK.replace("proxy =", "expires = 2026-10-01\nproxy ="))
        clock.advance(5)

        assert "UNAUTHORIZED_SERVICE" in signed_in.open("/cas/proxy", pgt=pgt, targetService=target).text

    @pytest.mark.usefixtures("strict")
    def test_a_target_that_demands_a_second_factor_is_refused(
        self, signed_in: Browser, application: Application
    ) -> None:
        pgt = self.pgt(signed_in, application, "http://127.0.0.1:9000/app")

        assert "UNAUTHORIZED_SERVICE" in signed_in.open("/cas/proxy", pgt=pgt, targetService=STRICT).text

    def test_a_session_that_ends_during_the_callback_makes_the_validation_fail(
        self, sign_on: SignOn, signed_in: Browser, application: Application, databases: Databases
    ) -> None:
        def close() -> None:
            with databases.identity.write() as connection:
                set_enabled(connection, "anna", False)
                set_enabled(connection, "anna", True)

        application.before_answer = close
        answer = signed_in.open(
            "/cas/serviceValidate",
            service="http://127.0.0.1:9000/app",
            ticket=signed_in.ticket("http://127.0.0.1:9000/app"),
            pgtUrl=f"{application.url}/pgt",
        )

        assert 'code="INVALID_TICKET"' in answer.text
        with sign_on.raw.lend() as raw:
            assert raw.all("SELECT * FROM proxy_granting") == []
            assert raw.all("SELECT * FROM session_application") == []
