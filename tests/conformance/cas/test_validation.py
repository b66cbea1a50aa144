"""The validation endpoints."""

import pytest

from tests.integration.cas.conftest import PASSWORD, People
from tests.support.clock import ManualClock
from tests.support.sign_on import Application, Browser, SignOn, ticket_in

APP = "http://127.0.0.1:9000/app"
ENDPOINTS = ["serviceValidate", "proxyValidate", "p3/serviceValidate", "p3/proxyValidate"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_2_5_a_good_ticket_names_the_user(signed_in: Browser, people: People, endpoint: str) -> None:
    answer = signed_in.open(f"/cas/{endpoint}", service=APP, ticket=signed_in.ticket(APP))

    assert answer.status_code == 200
    assert answer.content_type.startswith("application/xml")
    assert f"<cas:user>{people.anna.uid}</cas:user>" in answer.text
    assert ("<cas:attributes>" in answer.text) is endpoint.startswith("p3/")
    assert "Set-Cookie" not in answer.headers


def test_2_8_attributes_are_the_release_list(signed_in: Browser) -> None:
    told = signed_in.open("/cas/p3/serviceValidate", service=APP, ticket=signed_in.ticket(APP)).text

    assert "<cas:attributes><cas:authenticationDate>2026-10-01T10:00:00.000Z</cas:authenticationDate>" in told
    assert "<cas:givenName>Żaneta</cas:givenName><cas:sn>Źdźbło-Ćwik</cas:sn>" in told
    assert "<cas:eduPersonAffiliation>student</cas:eduPersonAffiliation>" in told
    assert "esi:po.edu.pl:12345</cas:schacPersonalUniqueCode>" in told
    assert "cas:album" not in told


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_3_1_1_a_ticket_is_good_for_one_attempt(signed_in: Browser, endpoint: str) -> None:
    ticket = signed_in.ticket(APP)
    signed_in.open(f"/cas/{endpoint}", service=APP, ticket=ticket)

    again = signed_in.open(f"/cas/{endpoint}", service=APP, ticket=ticket)

    assert again.status_code == 200
    assert 'code="INVALID_TICKET"' in again.text
    assert ticket not in again.text


def test_2_5_3_a_ticket_refused_for_another_service_is_burnt(sign_on: SignOn, signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)

    assert 'code="INVALID_SERVICE"' in signed_in.open("/cas/serviceValidate", service=APP + "/", ticket=ticket).text
    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text
    assert [reason for _, reason in sign_on.events("ticket.refused")] == ["INVALID_SERVICE", "INVALID_TICKET"]


def test_2_5_1_renew_needs_a_ticket_from_a_new_login(visitor: Browser) -> None:
    fresh = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))
    assert "authenticationSuccess" in visitor.open("/cas/serviceValidate", service=APP, ticket=fresh, renew="true").text

    later = visitor.ticket(APP)
    assert 'code="INVALID_TICKET"' in visitor.open("/cas/serviceValidate", service=APP, ticket=later, renew="true").text
    assert 'code="INVALID_TICKET"' in visitor.open("/cas/serviceValidate", service=APP, ticket=later).text


def test_3_1_1_an_old_ticket_is_refused(signed_in: Browser, clock: ManualClock) -> None:
    ticket = signed_in.ticket(APP)
    clock.advance(10)

    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


@pytest.mark.parametrize("missing", ["service", "ticket"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
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


def test_2_5_1_format_json_says_the_same(signed_in: Browser, people: People) -> None:
    answer = signed_in.open("/cas/p3/serviceValidate", service=APP, ticket=signed_in.ticket(APP), format="JSON")
    refused = signed_in.open("/cas/serviceValidate", service=APP, ticket="ST-1", format="JSON")

    assert answer.json is not None
    assert answer.json["serviceResponse"]["authenticationSuccess"]["user"] == people.anna.uid
    assert refused.json is not None
    assert refused.json["serviceResponse"]["authenticationFailure"]["code"] == "INVALID_TICKET"


def test_2_5_1_an_unknown_format_is_an_error(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), format="YAML")

    assert 'code="INVALID_REQUEST"' in answer.text


def test_2_4_validate_answers_in_lines(signed_in: Browser, people: People) -> None:
    ticket = signed_in.ticket(APP)

    answer = signed_in.open("/cas/validate", service=APP, ticket=ticket)

    assert answer.data == f"yes\n{people.anna.uid}\n".encode()
    assert answer.content_type.startswith("text/plain")
    assert signed_in.open("/cas/validate", service=APP, ticket=ticket).data == b"no\n"


def test_the_java_client_validates_with_a_session_id_in_the_path(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/serviceValidate", service=APP + ";jsessionid=0A1B", ticket=signed_in.ticket(APP))

    assert "authenticationSuccess" in answer.text


def test_estudent_consumes_its_ticket_in_process(sign_on: SignOn, signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)
    session = sign_on.desk.consume(ticket, APP)

    assert session is not None
    assert sign_on.desk.consume(ticket, APP) is None
    assert sign_on.desk.consume(signed_in.ticket(APP), "http://127.0.0.1:9000/other") is None


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

    def test_a_chain_names_its_proxies_latest_first(self, signed_in: Browser, application: Application) -> None:
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

    def test_a_proxy_ticket_is_not_taken_by_service_validate(
        self, signed_in: Browser, application: Application
    ) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)

        assert "proxy ticket was passed" in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text
        assert "INVALID_TICKET" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text
        again = self.proxy_ticket(signed_in, pgt, APP)
        assert signed_in.open("/cas/validate", service=APP, ticket=again).data == b"no\n"

    def test_logout_ends_the_whole_tree(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)
        ticket = self.proxy_ticket(signed_in, pgt, APP)
        signed_in.open("/cas/logout")

        assert "INVALID_TICKET" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text
        assert 'code="UNAUTHORIZED_SERVICE"' in signed_in.open("/cas/proxy", pgt=pgt, targetService=APP).text

    def test_a_callback_that_refuses_fails_the_validation(self, signed_in: Browser, application: Application) -> None:
        application.status = 404
        answer = signed_in.open(
            "/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), pgtUrl=f"{application.url}/pgt"
        )

        assert 'code="INVALID_PROXY_CALLBACK"' in answer.text
        assert "PGTIOU" not in answer.text

    @pytest.mark.parametrize("pgt_url", ["https://evil.example/", "javascript:x", "http://192.168.0.1/"])
    def test_a_callback_goes_to_registered_addresses_only(self, signed_in: Browser, pgt_url: str) -> None:
        answer = signed_in.open("/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), pgtUrl=pgt_url)

        assert 'code="INVALID_PROXY_CALLBACK"' in answer.text

    @pytest.mark.parametrize("pgt", ["PGT-1", "ST-1", "x"])
    def test_an_unknown_pgt_gets_no_ticket(self, signed_in: Browser, pgt: str) -> None:
        assert "<cas:proxyFailure" in signed_in.open("/cas/proxy", pgt=pgt, targetService=APP).text

    def test_a_target_must_be_registered(self, signed_in: Browser, application: Application) -> None:
        pgt, _ = self.grant(signed_in, application)

        answer = signed_in.open("/cas/proxy", pgt=pgt, targetService="https://evil.example/")

        assert 'code="UNAUTHORIZED_SERVICE"' in answer.text

    def test_both_parameters_are_required(self, signed_in: Browser) -> None:
        assert 'code="INVALID_REQUEST"' in signed_in.open("/cas/proxy", pgt="PGT-1").text
