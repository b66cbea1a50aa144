"""SAML 1.1 validation: parse the request in a SOAP body, and write the answer with its assertion. Pure.

Source:  CAS Protocol 3.0.3, /samlValidate; OASIS SAML 1.1 core (oasis-sstc-saml-core-1.1) and bindings, section 3.1
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

from idp.cas.answers import Answer, Failure, ProxyFailure, Success, readable
from idp.errors import InvalidInput
from idp.xml import parse_xml

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PROTOCOL = "urn:oasis:names:tc:SAML:1.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:1.0:assertion"
ARTIFACT = "urn:oasis:names:tc:SAML:1.0:cm:artifact"
BY_PASSWORD = "urn:oasis:names:tc:SAML:1.0:am:password"  # noqa: S105 - a word of the standard
ATTRIBUTES = "http://www.ja-sig.org/products/cas/"
XML_TYPE = "text/xml; charset=UTF-8"
LONGEST_ID = 128
GOOD_FOR = timedelta(seconds=30)  # applications read an assertion at once


class InvalidSaml(InvalidInput):
    """The text is not one SAML 1.1 request with one artifact."""

    code = "invalid_saml"


@dataclass(frozen=True, slots=True)
class SamlQuestion:
    """The ticket of a request, and the id of the request."""

    ticket: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The values around an answer: issuer, recipient, ids and time."""

    issuer: str
    service_url: str
    request_id: str
    response_id: str
    assertion_id: str
    at: datetime


def read_question(body: bytes) -> SamlQuestion:
    """Return the request in a SOAP body.

    Raises:  InvalidSaml
    """
    try:
        root = parse_xml(body)
    except InvalidInput as exc:
        raise InvalidSaml(str(exc)) from exc
    artifacts = root.findall(f".//{{{PROTOCOL}}}AssertionArtifact")
    if len(artifacts) != 1 or not (artifacts[0].text or "").strip():
        raise InvalidSaml("one AssertionArtifact is expected")
    request = root.find(f".//{{{PROTOCOL}}}Request")
    asked = "" if request is None else request.get("RequestID", "")
    return SamlQuestion((artifacts[0].text or "").strip(), asked if len(asked) <= LONGEST_ID else "")


def render(answer: Answer, head: Letterhead) -> bytes:
    """Return the answer in its SOAP envelope."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"SOAP-ENV": SOAP})
    body = etree.SubElement(envelope, f"{{{SOAP}}}Body")
    response = etree.SubElement(body, _p("Response"), nsmap={"samlp": PROTOCOL, "saml": ASSERTION})
    response.set("ResponseID", f"_{head.response_id}")
    if head.request_id:
        response.set("InResponseTo", readable(head.request_id))
    response.set("MajorVersion", "1")
    response.set("MinorVersion", "1")
    response.set("IssueInstant", _instant(head.at))
    response.set("Recipient", readable(head.service_url))
    status = etree.SubElement(response, _p("Status"))
    code = etree.SubElement(status, _p("StatusCode"))
    match answer:
        case Success():
            code.set("Value", "samlp:Success")
            _assert(response, answer, head)
        case Failure(reason, why) | ProxyFailure(reason, why):
            code.set("Value", "samlp:RequestDenied")
            etree.SubElement(status, _p("StatusMessage")).text = f"{reason}: {why}"
    return etree.tostring(envelope, encoding="UTF-8")


def _assert(response: etree._Element, answer: Success, head: Letterhead) -> None:
    assertion = etree.SubElement(response, _a("Assertion"))
    assertion.set("AssertionID", f"_{head.assertion_id}")
    assertion.set("MajorVersion", "1")
    assertion.set("MinorVersion", "1")
    assertion.set("Issuer", head.issuer)
    assertion.set("IssueInstant", _instant(head.at))
    conditions = etree.SubElement(assertion, _a("Conditions"))
    conditions.set("NotBefore", _instant(head.at))
    conditions.set("NotOnOrAfter", _instant(head.at + GOOD_FOR))
    audience = etree.SubElement(conditions, _a("AudienceRestrictionCondition"))
    etree.SubElement(audience, _a("Audience")).text = readable(head.service_url)
    if answer.attributes:
        statement = etree.SubElement(assertion, _a("AttributeStatement"))
        _subject(statement, answer.user)
        for name, values in answer.attributes.items():
            attribute = etree.SubElement(statement, _a("Attribute"))
            attribute.set("AttributeName", name)
            attribute.set("AttributeNamespace", ATTRIBUTES)
            for value in values:
                etree.SubElement(attribute, _a("AttributeValue")).text = readable(value)
    signed_in = etree.SubElement(assertion, _a("AuthenticationStatement"))
    signed_in.set("AuthenticationMethod", BY_PASSWORD)
    (signed_in_at,) = answer.attributes.get("authenticationDate", [_instant(head.at)])
    signed_in.set("AuthenticationInstant", signed_in_at)
    _subject(signed_in, answer.user)


def _subject(parent: etree._Element, user: str) -> None:
    subject = etree.SubElement(parent, _a("Subject"))
    etree.SubElement(subject, _a("NameIdentifier")).text = readable(user)
    confirmation = etree.SubElement(subject, _a("SubjectConfirmation"))
    etree.SubElement(confirmation, _a("ConfirmationMethod")).text = ARTIFACT


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _p(name: str) -> str:
    return f"{{{PROTOCOL}}}{name}"


def _a(name: str) -> str:
    return f"{{{ASSERTION}}}{name}"
