"""/samlValidate: SAML 1.1 over SOAP."""

from collections.abc import Iterator

import cas
import pytest
from lxml import etree
from werkzeug.test import TestResponse

from tests.conformance.cas.broken import broken_by, says, spends_nothing, status, takes
from tests.integration.cas.conftest import PASSWORD, People
from tests.support.sign_on import Browser, SignOn, hidden_fields, serving, ticket_in

APP = "https://127.0.0.1:9000/app?next=%2Fa"
QUESTION = """<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><SOAP-ENV:Body>
<samlp:Request xmlns:samlp="urn:oasis:names:tc:SAML:1.0:protocol" MajorVersion="1" MinorVersion="1" RequestID="_r1"
 IssueInstant="2026-10-01T10:00:00Z"><samlp:AssertionArtifact>
 {ticket} </samlp:AssertionArtifact></samlp:Request></SOAP-ENV:Body></SOAP-ENV:Envelope>"""
NAMES = {
    "samlp": "urn:oasis:names:tc:SAML:1.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:1.0:assertion",
}


def ask(browser: Browser, ticket: str, target: str = APP, question: str = QUESTION) -> TestResponse:
    return browser.client.post(
        "/cas/samlValidate",
        query_string={"TARGET": target} if target else {},
        data=question.replace("{ticket}", ticket),
        content_type="text/xml; charset=utf-8",
    )


def found(answer: TestResponse, path: str) -> list[str]:
    assert answer.status_code == 200
    assert answer.content_type == "text/xml; charset=UTF-8"
    nodes = etree.fromstring(answer.data).xpath(path, namespaces=NAMES)
    assert isinstance(nodes, list)
    return [str(one) for one in nodes]


@pytest.fixture
def address(sign_on: SignOn) -> Iterator[str]:
    with serving(sign_on.app) as address:
        yield address


def test_python_cas_signs_in_by_saml(address: str, visitor: Browser, people: People) -> None:
    client = cas.CASClient(version="CAS_2_SAML_1_0", service_url=APP, server_url=f"{address}/cas/")
    ticket = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))

    user, attributes, _ = client.verify_ticket(ticket)

    assert user == people.anna.uid
    assert attributes["givenName"] == "Żaneta"
    assert client.verify_ticket(ticket)[0] is None


def sent_on(answer: TestResponse) -> str:
    """Return where a browser is sent, which ends in the ticket."""
    assert answer.status_code == 303
    before, _, ticket = answer.headers["Location"].partition("SAMLart=")
    assert before == f"{APP}&"
    return ticket


def test_a_saml_client_asks_by_target_and_gets_an_artifact(visitor: Browser, people: People) -> None:
    """The SAML filters of the Java client and of Spring Security know no other names."""
    page = visitor.open("/cas/login", TARGET=APP).text
    assert hidden_fields(page)["TARGET"] == APP
    first = sent_on(visitor.sign_in("12345", PASSWORD, TARGET=APP))
    second = sent_on(visitor.open("/cas/login", TARGET=APP))  # already signed in

    for ticket in (first, second):
        assert people.anna.uid in found(ask(visitor, ticket), "//saml:NameIdentifier/text()")


def test_a_saml_client_may_ask_for_a_form_instead_of_a_redirect(signed_in: Browser) -> None:
    fields = hidden_fields(signed_in.open("/cas/login", TARGET=APP, method="POST").text)

    assert list(fields) == ["SAMLart"]
    assert found(ask(signed_in, fields["SAMLart"]), "//samlp:StatusCode/@Value") == ["samlp:Success"]


@pytest.mark.parametrize(
    "query",
    ["TARGET=http://evil.example/", "TARGET=javascript:alert(1)", "TARGET=//127.0.0.1:9000/", f"TARGET={APP}&TARGET=/"],
)
def test_no_ticket_goes_to_a_target_that_nobody_registered(signed_in: Browser, query: str) -> None:
    answer = signed_in.client.get(f"/cas/login?{query}")

    assert answer.status_code in (400, 403)
    assert "Location" not in answer.headers


@broken_by(
    says("samlp:Success", "samlp:Failure"), says("InResponseTo", "Answers"), says("<saml:Audience>", "<saml:Audience>x")
)
def test_4_2_5_the_assertion_is_for_this_service_and_this_request(signed_in: Browser, people: People) -> None:
    answer = ask(signed_in, signed_in.ticket(APP))

    assert found(answer, "//samlp:StatusCode/@Value") == ["samlp:Success"]
    assert found(answer, "//samlp:Response/@InResponseTo") == ["_r1"]
    assert found(answer, "//saml:Audience/text()") == [APP]
    assert set(found(answer, "//saml:NameIdentifier/text()")) == {people.anna.uid}
    assert found(answer, "//saml:Conditions/@NotOnOrAfter") == ["2026-10-01T10:00:30Z"]
    assert found(answer, "//saml:Attribute/@AttributeName")[0] == "authenticationDate"


@broken_by(spends_nothing())
def test_4_2_1_a_ticket_for_another_service_is_denied_and_burnt(signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)

    for target in ("http://127.0.0.1:9000/other", APP):
        denied = ask(signed_in, ticket, target)
        assert found(denied, "//samlp:StatusCode/@Value") == ["samlp:RequestDenied"]
        assert found(denied, "//saml:Assertion") == []
        assert ticket not in denied.text


@pytest.mark.parametrize(
    "question",
    [
        "",
        "<a/>",
        "not xml {ticket}",
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + QUESTION,
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>' + QUESTION,
        QUESTION.replace("</samlp:Request>", "<samlp:AssertionArtifact>ST-2</samlp:AssertionArtifact></samlp:Request>"),
        "x" * 70_000,
    ],
    ids=["empty", "another", "no XML", "outer entity", "inner entities", "two tickets", "too long"],
)
@broken_by(says("INVALID_REQUEST", "INVALID_TICKET", "/cas/samlValidate"))
def test_4_2_2_what_is_no_question_is_refused_and_leaves_the_ticket(signed_in: Browser, question: str) -> None:
    ticket = signed_in.ticket(APP)

    refused = ask(signed_in, ticket, question=question)

    assert "INVALID_REQUEST" in found(refused, "//samlp:StatusMessage/text()")[0]
    assert "root:" not in refused.text
    assert found(ask(signed_in, ticket), "//samlp:StatusCode/@Value") == ["samlp:Success"]


@broken_by(says("INVALID_REQUEST", "INVALID_TICKET", "/cas/samlValidate"))
def test_4_2_1_the_target_is_required(signed_in: Browser) -> None:
    assert "INVALID_REQUEST" in found(ask(signed_in, "ST-1", target=""), "//samlp:StatusMessage/text()")[0]


@broken_by(says("<saml:AttributeStatement>", '<saml:AttributeStatement><saml:Attribute AttributeName="sn"/>'))
def test_4_2_1_attributes_do_not_go_to_plain_http(signed_in: Browser) -> None:
    plain = "http://127.0.0.1:9000/app"

    names = found(ask(signed_in, signed_in.ticket(plain), plain), "//saml:Attribute/@AttributeName")

    assert names == ["authenticationDate", "longTermAuthenticationRequestTokenUsed", "isFromNewLogin"]


@broken_by(takes("target", for_="TARGET"))
def test_4_2_1_the_name_of_the_parameter_is_case_sensitive(signed_in: Browser) -> None:
    answer = signed_in.client.post(
        "/cas/samlValidate", query_string={"target": APP}, data=QUESTION, content_type="text/xml"
    )

    assert "INVALID_REQUEST" in answer.text


@broken_by(status(200, "/cas/samlValidate"))
def test_4_2_2_only_a_post_is_taken(signed_in: Browser) -> None:
    assert signed_in.open("/cas/samlValidate", TARGET=APP).status_code == 405
