"""The validation endpoints."""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lxml import etree

from idp.drivers.http import Outgoing
from tests.conformance.cas.broken import (
    VALIDATION,
    believes_every_callback,
    broken_by,
    calls,
    ignores,
    is_answered_as,
    keeps_the_session,
    lets_nothing_grow_old,
    never_fails,
    says,
    spends_nothing,
    status,
    takes_any_case,
)
from tests.integration.cas.conftest import PASSWORD, People
from tests.support.certificates import Certificates, make_certificates
from tests.support.clock import ManualClock
from tests.support.sign_on import LOOPBACK, Application, Browser, SignOn, ticket_in

APP = "http://127.0.0.1:9000/app"
SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "answers.rng"))
NO_CODE_AND_NO_IOU = says('code="[A-Z_]+"|PGTIOU-', "")
NO_CODE = says('code="[A-Z_]+"', 'code="FAILED"')
REVERSES_THE_CHAIN = says(
    "(<cas:proxy>[^<]*</cas:proxy>)(<cas:proxy>[^<]*</cas:proxy>)",
    r"\2\1",
)
TAKES_PROXY_TICKETS_EVERYWHERE = says("^no\n$", "yes\nx\n", "/cas/validate")
GIVES_PROXY_TICKETS_TO_ANYBODY = says(
    "<cas:proxyFailure.*</cas:proxyFailure>",
    "<cas:proxySuccess><cas:proxyTicket>PT-1</cas:proxyTicket></cas:proxySuccess>",
)
ENDPOINTS = ["serviceValidate", "proxyValidate", "p3/serviceValidate", "p3/proxyValidate"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@broken_by(says("<cas:user>", "<cas:user> "))
def test_2_5_a_good_ticket_names_the_user(signed_in: Browser, people: People, endpoint: str) -> None:
    answer = signed_in.open(f"/cas/{endpoint}", service=APP, ticket=signed_in.ticket(APP))

    assert answer.status_code == 200
    assert answer.content_type.startswith("application/xml")
    assert f"<cas:user>{people.anna.uid}</cas:user>" in answer.text
    assert ("<cas:attributes>" in answer.text) is endpoint.startswith("p3/")
    assert "Set-Cookie" not in answer.headers


@broken_by(says("<cas:attributes>.*</cas:attributes>", ""))
def test_2_5_5_attributes_are_the_release_list(signed_in: Browser) -> None:
    told = signed_in.open("/cas/p3/serviceValidate", service=APP, ticket=signed_in.ticket(APP)).text

    assert "<cas:attributes><cas:authenticationDate>2026-10-01T10:00:00.000Z</cas:authenticationDate>" in told
    assert "<cas:givenName>Żaneta</cas:givenName><cas:sn>Źdźbło-Ćwik</cas:sn>" in told
    assert "<cas:eduPersonAffiliation>student</cas:eduPersonAffiliation>" in told
    assert "esi:po.edu.pl:12345</cas:schacPersonalUniqueCode>" in told
    assert "cas:album" not in told


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@broken_by(spends_nothing())
def test_3_1_1_a_ticket_is_good_for_one_attempt(signed_in: Browser, endpoint: str) -> None:
    ticket = signed_in.ticket(APP)
    signed_in.open(f"/cas/{endpoint}", service=APP, ticket=ticket)

    again = signed_in.open(f"/cas/{endpoint}", service=APP, ticket=ticket)

    assert again.status_code == 200
    assert 'code="INVALID_TICKET"' in again.text
    assert ticket not in again.text


@broken_by(spends_nothing(), says("INVALID_SERVICE", "INVALID_TICKET"))
def test_2_5_3_a_ticket_refused_for_another_service_is_burnt(sign_on: SignOn, signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)

    assert 'code="INVALID_SERVICE"' in signed_in.open("/cas/serviceValidate", service=APP + "/", ticket=ticket).text
    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text
    assert [reason for _, reason in sign_on.events("ticket.refused")] == ["INVALID_SERVICE", "INVALID_TICKET"]


@broken_by(ignores("renew", VALIDATION))
def test_2_5_1_renew_needs_a_ticket_from_a_new_login(visitor: Browser) -> None:
    fresh = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))
    assert "authenticationSuccess" in visitor.open("/cas/serviceValidate", service=APP, ticket=fresh, renew="true").text

    later = visitor.ticket(APP)
    assert 'code="INVALID_TICKET"' in visitor.open("/cas/serviceValidate", service=APP, ticket=later, renew="true").text
    assert 'code="INVALID_TICKET"' in visitor.open("/cas/serviceValidate", service=APP, ticket=later).text


@broken_by(lets_nothing_grow_old())
def test_3_1_1_an_old_ticket_is_refused(signed_in: Browser, clock: ManualClock) -> None:
    ticket = signed_in.ticket(APP)
    clock.advance(10)

    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


@pytest.mark.parametrize("missing", ["service", "ticket"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@broken_by(NO_CODE)
def test_2_5_3_a_missing_parameter_is_an_invalid_request(signed_in: Browser, endpoint: str, missing: str) -> None:
    query = {"service": APP, "ticket": "ST-1"}
    del query[missing]

    assert 'code="INVALID_REQUEST"' in signed_in.open(f"/cas/{endpoint}", **query).text


def test_repeated_parameters_are_refused_and_the_ticket_stays(signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)

    answer = signed_in.client.get(f"/cas/serviceValidate?service={APP}&ticket={ticket}&ticket=ST-2")

    assert 'code="INVALID_REQUEST"' in answer.text
    assert "authenticationSuccess" in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


@pytest.mark.parametrize("ticket", ["ST-1", "x", "TGC-A", "ST-" + "A" * 300, "ST-\x00\x0b", "ST-ż", "' OR 1=1 --"])
def test_nonsense_is_an_invalid_ticket(visitor: Browser, ticket: str) -> None:
    answer = visitor.open("/cas/p3/serviceValidate", service=APP, ticket=ticket)

    assert answer.status_code == 200
    assert 'code="INVALID_TICKET"' in answer.text


@broken_by(ignores("format"))
def test_2_5_1_format_json_says_the_same(signed_in: Browser, people: People) -> None:
    answer = signed_in.open("/cas/p3/serviceValidate", service=APP, ticket=signed_in.ticket(APP), format="JSON")
    refused = signed_in.open("/cas/serviceValidate", service=APP, ticket="ST-1", format="JSON")

    assert answer.json is not None
    assert answer.json["serviceResponse"]["authenticationSuccess"]["user"] == people.anna.uid
    assert refused.json is not None
    assert refused.json["serviceResponse"]["authenticationFailure"]["code"] == "INVALID_TICKET"


@broken_by(ignores("format"))
def test_2_5_1_an_unknown_format_is_an_error(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), format="YAML")

    assert 'code="INVALID_REQUEST"' in answer.text


@broken_by(says("\n", "\r\n", "/cas/validate"), status(404, "/cas/validate"))
def test_2_4_2_validate_answers_in_lines(signed_in: Browser, people: People) -> None:
    ticket = signed_in.ticket(APP)

    answer = signed_in.open("/cas/validate", service=APP, ticket=ticket)

    assert answer.status_code == 200
    assert answer.data == f"yes\n{people.anna.uid}\n".encode()
    assert answer.content_type.startswith("text/plain")
    assert signed_in.open("/cas/validate", service=APP, ticket=ticket).data == b"no\n"


def test_the_java_client_validates_with_a_session_id_in_the_path(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/serviceValidate", service=APP + ";jsessionid=0A1B", ticket=signed_in.ticket(APP))

    assert "authenticationSuccess" in answer.text


def test_estudent_consumes_its_ticket_in_process(sign_on: SignOn, signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)
    session = sign_on.tickets.consume(ticket, APP)

    assert session is not None
    assert sign_on.tickets.consume(ticket, APP) is None
    assert sign_on.tickets.consume(signed_in.ticket(APP), "http://127.0.0.1:9000/other") is None


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@broken_by(takes_any_case("service", "ticket"))
def test_2_5_1_parameter_names_are_case_sensitive(signed_in: Browser, endpoint: str) -> None:
    answer = signed_in.open(f"/cas/{endpoint}", Service=APP, TICKET=signed_in.ticket(APP))

    assert 'code="INVALID_REQUEST"' in answer.text


@pytest.mark.parametrize("query", [{"service": APP}, {"ticket": "ST-1"}, {"SERVICE": APP, "Ticket": "ST-1"}])
@broken_by(says("^no\n$", "yes\nx\n", "/cas/validate"))
def test_2_4_1_validate_needs_service_and_ticket(visitor: Browser, query: dict[str, str]) -> None:
    assert visitor.open("/cas/validate", **query).data == b"no\n"


@broken_by(ignores("renew", "/cas/validate"), says("^no\n$", "yes\nx\n", "/cas/validate"))
def test_2_4_1_validate_honours_service_and_renew(visitor: Browser) -> None:
    fresh = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))

    assert visitor.open("/cas/validate", service=APP, ticket=fresh, renew="true").data.startswith(b"yes\n")
    assert visitor.open("/cas/validate", service=APP, ticket=visitor.ticket(APP), renew="true").data == b"no\n"
    assert visitor.open("/cas/validate", service=APP + "/", ticket=visitor.ticket(APP)).data == b"no\n"


@broken_by(never_fails("INTERNAL_ERROR"))
def test_2_5_3_a_fault_of_ours_is_an_internal_error(sign_on: SignOn, signed_in: Browser, clock: ManualClock) -> None:
    ticket = signed_in.ticket(APP)
    # Anna has no mail address yet, so after this the service knows no name for her.
    sign_on.register("loopback", LOOPBACK.replace("attributes =", 'principal = "mail"\nattributes ='))
    clock.advance(5)

    assert 'code="INTERNAL_ERROR"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"ticket": ""}, "ticket is required"),
        ({"ticket": "ST-1"}, "not recognised"),
        ({"service": APP + "/"}, "issued for another service"),
        ({"renew": "true"}, "did not come from a new sign-in"),
        ({"pgtUrl": "https://evil.example/"}, "not an address that the service registered"),
    ],
)
@broken_by(says("(<cas:authenticationFailure [^>]*>)[^<]*", r"\1No."))
def test_2_5_3_every_failure_says_what_is_wrong(signed_in: Browser, changed: dict[str, str], why: str) -> None:
    query = {"service": APP, "ticket": signed_in.ticket(APP)} | changed

    assert why in signed_in.open("/cas/serviceValidate", **query).text


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@broken_by(says("<cas:(authenticationSuccess|authenticationFailure|proxySuccess|proxyFailure)", r"<cas:more/><cas:\1"))
def test_appendix_a_answers_are_as_the_schema_says(signed_in: Browser, application: Application, endpoint: str) -> None:
    def ask(path: str, **query: str) -> None:
        assert SCHEMA.validate(etree.fromstring(signed_in.open(path, **query).data)), SCHEMA.error_log

    ask(f"/cas/{endpoint}", service=APP, ticket=signed_in.ticket(APP), pgtUrl=f"{application.url}/pgt")
    ask(f"/cas/{endpoint}", service=APP, ticket="ST-1")
    pgt = application.requests[-1][1].split("pgtId=")[1].split("&")[0]
    proxied = signed_in.open("/cas/proxy", pgt=pgt, targetService=APP)
    assert SCHEMA.validate(etree.fromstring(proxied.data)), SCHEMA.error_log
    ask("/cas/proxy", pgt=pgt)
    ticket = proxied.text.split("<cas:proxyTicket>")[1].split("<")[0]
    ask(f"/cas/{endpoint}", service=APP, ticket=ticket, pgtUrl=f"{application.url}/pgt2")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("callback") / "tls")


@pytest.fixture
def trusting(certificates: Certificates) -> Outgoing:
    """An HTTP client that believes the test's own authority."""
    return Outgoing([certificates.authority])


class TestProxying:
    """2.5.4, 2.6, 2.7: an application acts for its user towards another."""

    def grant(self, browser: Browser, application: Application) -> tuple[str, str]:
        """Return PGT and IOU."""
        answer = browser.open(
            "/cas/p3/serviceValidate", service=APP, ticket=browser.ticket(APP), pgtUrl=f"{application.url}/pgt?x=1"
        )
        iou = answer.text.split("<cas:proxyGrantingTicket>")[1].split("<")[0]
        path = application.requests[-1][1]
        assert path.startswith("/pgt?x=1&pgtId=PGT-")
        assert path.endswith(f"&pgtIou={iou}")
        return path.split("pgtId=")[1].split("&")[0], iou

    def proxy_ticket(self, browser: Browser, pgt: str, target: str) -> str:
        answer = browser.open("/cas/proxy", pgt=pgt, targetService=target).text
        return answer.split("<cas:proxyTicket>")[1].split("<")[0]

    @broken_by(REVERSES_THE_CHAIN)
    def test_2_6_2_a_chain_names_its_proxies_latest_first(self, signed_in: Browser, application: Application) -> None:
        pgt, iou = self.grant(signed_in, application)
        assert max(len(pgt), len(iou)) <= 64
        target = "http://127.0.0.1:9001/back"
        ticket = self.proxy_ticket(signed_in, pgt, target)
        assert len(ticket) <= 32

        first = signed_in.open(
            "/cas/proxyValidate", service=target, ticket=ticket, pgtUrl=f"{application.url}/second"
        ).text
        assert f"<cas:proxies><cas:proxy>{application.url}/pgt?x=1</cas:proxy></cas:proxies>" in first
        second_pgt = application.requests[-1][1].split("pgtId=")[1].split("&")[0]
        ticket = self.proxy_ticket(signed_in, second_pgt, target)
        second = signed_in.open("/cas/proxyValidate", service=target, ticket=ticket).text

        assert (
            f"<cas:proxy>{application.url}/second</cas:proxy><cas:proxy>{application.url}/pgt?x=1</cas:proxy>" in second
        )

    @broken_by(is_answered_as("/serviceValidate", "/proxyValidate"), says("a proxy ticket was passed", "it failed"))
    def test_2_5_a_proxy_ticket_is_not_taken_by_service_validate(
        self, signed_in: Browser, application: Application
    ) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)

        answer = signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text
        assert 'code="INVALID_TICKET_SPEC"' in answer
        assert "proxy ticket was passed" in answer
        assert "INVALID_TICKET" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text

    @broken_by(TAKES_PROXY_TICKETS_EVERYWHERE)
    def test_2_4_a_proxy_ticket_is_not_taken_by_validate(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)

        assert signed_in.open("/cas/validate", service=APP, ticket=ticket).data == b"no\n"

    @pytest.mark.parametrize("endpoint", ["p3/proxyValidate", "proxyValidate"])
    @broken_by(is_answered_as("/proxyValidate", "/serviceValidate"))
    def test_2_6_a_proxy_ticket_is_taken_by_proxy_validate(
        self, signed_in: Browser, application: Application, people: People, endpoint: str
    ) -> None:
        pgt, _ = self.grant(signed_in, application)

        answer = signed_in.open(f"/cas/{endpoint}", service=APP, ticket=self.proxy_ticket(signed_in, pgt, APP)).text

        assert f"<cas:user>{people.anna.uid}</cas:user>" in answer
        assert ("<cas:attributes>" in answer) is endpoint.startswith("p3/")

    @broken_by(never_fails("INVALID_SERVICE"))
    def test_2_7_1_a_proxy_ticket_is_for_the_target_service_alone(
        self, signed_in: Browser, application: Application
    ) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)

        assert 'code="INVALID_SERVICE"' in signed_in.open("/cas/proxyValidate", service=APP + "/", ticket=ticket).text

    @broken_by(takes_any_case("pgt", "targetService"))
    def test_2_7_1_parameter_names_are_case_sensitive(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)

        assert 'code="INVALID_REQUEST"' in signed_in.open("/cas/proxy", PGT=pgt, targetservice=APP).text

    @broken_by(never_fails("INVALID_PROXY_CALLBACK"))
    def test_2_5_4_a_callback_over_plain_http_is_refused_unless_the_service_allows_it_on_loopback(
        self, sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
    ) -> None:
        sign_on.register("loopback", LOOPBACK.replace(", http_on_loopback = true", ""))
        clock.advance(5)

        answer = self.ask(signed_in, f"{application.url}/pgt")

        assert 'code="INVALID_PROXY_CALLBACK"' in answer
        assert application.requests == []

    @pytest.mark.parametrize("trusted", [True, False])
    @broken_by(NO_CODE_AND_NO_IOU)
    def test_2_5_4_the_certificate_of_the_callback_is_verified(
        self, signed_in: Browser, certificates: Certificates, trusting: Outgoing, sign_on: SignOn, trusted: bool
    ) -> None:
        if trusted:
            object.__setattr__(sign_on.tickets, "callbacks", trusting)
        with https_server(certificates) as address:
            answer = self.ask(signed_in, f"{address}/pgt")

        assert ("PGTIOU-" in answer) is trusted
        assert ('code="INVALID_PROXY_CALLBACK"' in answer) is not trusted

    @broken_by(believes_every_callback())
    def test_2_5_4_a_callback_that_nobody_answers_fails_the_validation(self, signed_in: Browser) -> None:
        answer = self.ask(signed_in, "http://127.0.0.1:1/pgt")

        assert 'code="INVALID_PROXY_CALLBACK"' in answer
        assert "PGTIOU" not in answer

    @broken_by(calls(r"\?x=1&y=%2F&", "?"), says("PGTIOU-[A-Z2-7]+", "PGTIOU-X"))
    def test_2_5_4_the_callback_gets_pgt_and_iou_beside_its_own_parameters(
        self, signed_in: Browser, application: Application
    ) -> None:
        answer = self.ask(signed_in, f"{application.url}/pgt?x=1&y=%2F")

        ((method, path, _),) = application.requests
        assert method == "GET"
        assert re.fullmatch(r"/pgt\?x=1&y=%2F&pgtId=PGT-[^&]+&pgtIou=PGTIOU-[^&]+", path)
        assert f"<cas:proxyGrantingTicket>{path.split('pgtIou=')[1]}</cas:proxyGrantingTicket>" in answer

    @broken_by(says(r"/pgt\?x=1", "/pgt"))
    def test_2_5_4_the_chain_names_the_callback_as_it_was_given(
        self, signed_in: Browser, application: Application
    ) -> None:
        pgt, _ = self.grant(signed_in, application)

        answer = signed_in.open("/cas/proxyValidate", service=APP, ticket=self.proxy_ticket(signed_in, pgt, APP)).text

        assert f"<cas:proxy>{application.url}/pgt?x=1</cas:proxy>" in answer

    @pytest.mark.parametrize("endpoint", ENDPOINTS)
    @broken_by(never_fails("UNAUTHORIZED_SERVICE_PROXY"))
    def test_2_5_3_a_service_that_may_not_proxy_is_told_so(
        self, sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock, endpoint: str
    ) -> None:
        sign_on.register("loopback", LOOPBACK.replace("allowed = true", "allowed = false"))
        clock.advance(5)

        assert 'code="UNAUTHORIZED_SERVICE_PROXY"' in self.ask(signed_in, f"{application.url}/pgt", endpoint)

    @broken_by(GIVES_PROXY_TICKETS_TO_ANYBODY)
    def test_2_7_3_a_service_that_may_no_longer_proxy_gets_no_ticket(
        self, sign_on: SignOn, signed_in: Browser, application: Application, clock: ManualClock
    ) -> None:
        pgt, _ = self.grant(signed_in, application)
        sign_on.register("loopback", LOOPBACK.replace("allowed = true", "allowed = false"))
        clock.advance(5)

        answer = signed_in.open("/cas/proxy", pgt=pgt, targetService=APP).text

        assert '<cas:proxyFailure code="UNAUTHORIZED_SERVICE">' in answer

    def ask(self, browser: Browser, pgt_url: str, endpoint: str = "serviceValidate") -> str:
        """Return the answer to a validation that asks for a proxy-granting ticket."""
        return browser.open(f"/cas/{endpoint}", service=APP, ticket=browser.ticket(APP), pgtUrl=pgt_url).text

    @broken_by(keeps_the_session("session", "proxy_granting", "ticket"))
    def test_3_3_1_logout_ends_the_whole_tree(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)
        signed_in.open("/cas/logout")

        assert "INVALID_TICKET" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text
        assert 'code="UNAUTHORIZED_SERVICE"' in signed_in.open("/cas/proxy", pgt=pgt, targetService=APP).text

    @broken_by(believes_every_callback(), never_fails("INVALID_PROXY_CALLBACK"))
    def test_2_5_4_a_callback_that_refuses_fails_the_validation(
        self, signed_in: Browser, application: Application
    ) -> None:
        application.status = 404
        answer = signed_in.open(
            "/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), pgtUrl=f"{application.url}/pgt"
        )

        assert 'code="INVALID_PROXY_CALLBACK"' in answer.text
        assert "PGTIOU" not in answer.text

    @pytest.mark.parametrize("pgt_url", ["https://evil.example/", "javascript:x", "http://192.168.0.1/"])
    @broken_by(never_fails("INVALID_PROXY_CALLBACK"))
    def test_2_5_4_a_callback_goes_to_registered_addresses_only(self, signed_in: Browser, pgt_url: str) -> None:
        answer = signed_in.open("/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), pgtUrl=pgt_url)

        assert 'code="INVALID_PROXY_CALLBACK"' in answer.text

    @pytest.mark.parametrize("pgt", ["PGT-1", "ST-1", "x"])
    @broken_by(GIVES_PROXY_TICKETS_TO_ANYBODY)
    def test_2_7_3_an_unknown_pgt_gets_no_ticket(self, signed_in: Browser, pgt: str) -> None:
        assert "<cas:proxyFailure" in signed_in.open("/cas/proxy", pgt=pgt, targetService=APP).text

    @broken_by(GIVES_PROXY_TICKETS_TO_ANYBODY)
    def test_2_7_3_a_target_must_be_registered(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)

        answer = signed_in.open("/cas/proxy", pgt=pgt, targetService="https://evil.example/")

        assert 'code="UNAUTHORIZED_SERVICE"' in answer.text

    @broken_by(NO_CODE)
    def test_2_7_1_both_parameters_are_required(self, signed_in: Browser) -> None:
        assert 'code="INVALID_REQUEST"' in signed_in.open("/cas/proxy", pgt="PGT-1").text


@contextmanager
def https_server(certificates: Certificates) -> Iterator[str]:
    """Yield the address of a server that answers 200 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_parts: object) -> None:
            """Keep the terminal clean."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_parts: object) -> None:
            """A client that does not believe the certificate leaves: as it should."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
