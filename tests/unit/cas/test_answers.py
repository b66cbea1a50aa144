"""Answers are what real clients read."""

import json

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from idp.cas.answers import (
    NAMESPACE,
    Code,
    Failure,
    Format,
    ProxyFailure,
    ProxyTicket,
    Success,
    as_text,
    as_xml,
    readable,
    render,
)

CAS = {"cas": "http://www.yale.edu/tp/cas"}
SUCCESS = Success(
    "u7k2m9qxa", {"isFromNewLogin": ["true"], "mail": ["a@b"], "member": ["x", "y"]}, "PGTIOU-1", ("b", "a")
)


def test_success_names_the_user_without_blanks_and_repeats_values() -> None:
    root = etree.fromstring(as_xml(SUCCESS))

    assert root.xpath("/cas:serviceResponse/cas:authenticationSuccess/cas:user/text()", namespaces=CAS) == ["u7k2m9qxa"]
    assert root.xpath("//cas:attributes/cas:member/text()", namespaces=CAS) == ["x", "y"]
    assert root.xpath("//cas:proxyGrantingTicket/text()", namespaces=CAS) == ["PGTIOU-1"]
    assert root.xpath("//cas:proxies/cas:proxy/text()", namespaces=CAS) == ["b", "a"]


@given(st.text(), st.lists(st.text(), max_size=3))
def test_whatever_a_person_is_called_an_xml_library_writes_the_same_bytes(user: str, proxies: list[str]) -> None:
    root = etree.Element(f"{{{NAMESPACE}}}serviceResponse", nsmap={"cas": NAMESPACE})
    good = etree.SubElement(root, f"{{{NAMESPACE}}}authenticationSuccess")
    etree.SubElement(good, f"{{{NAMESPACE}}}user").text = readable(user)
    if proxies:
        chain = etree.SubElement(good, f"{{{NAMESPACE}}}proxies")
        for proxy in proxies:
            etree.SubElement(chain, f"{{{NAMESPACE}}}proxy").text = readable(proxy)

    # lxml leaves the end tag out where there is no text; a reader sees no difference.
    written = etree.tostring(root, encoding="UTF-8").replace(b"<cas:user/>", b"<cas:user></cas:user>")
    assert as_xml(Success(user, proxies=tuple(proxies))) == written.replace(b"<cas:proxy/>", b"<cas:proxy></cas:proxy>")


def test_the_prefix_is_literally_cas() -> None:
    assert as_xml(SUCCESS).startswith(b'<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas"><cas:')


def test_a_failure_has_its_code_and_its_reason() -> None:
    root = etree.fromstring(as_xml(Failure(Code.INVALID_TICKET, "No.")))

    failure = root.find("cas:authenticationFailure", CAS)
    assert failure is not None
    assert (failure.get("code"), failure.text) == ("INVALID_TICKET", "No.")


def test_characters_that_xml_forbids_are_replaced() -> None:
    root = etree.fromstring(as_xml(Success("a\x00b\x0b<&>")))

    assert root.findtext(".//cas:user", namespaces=CAS) == "a\ufffdb\ufffd<&>"


def test_proxy_answers_have_elements_of_their_own() -> None:
    assert b"<cas:proxySuccess><cas:proxyTicket>PT-1</cas:proxyTicket></cas:proxySuccess>" in as_xml(
        ProxyTicket("PT-1")
    )
    assert b'<cas:proxyFailure code="INVALID_REQUEST">' in as_xml(ProxyFailure(Code.INVALID_REQUEST, "x"))


def test_json_says_the_same() -> None:
    body, content_type = render(SUCCESS, Format.JSON)

    assert content_type.startswith("application/json")
    assert json.loads(body) == {
        "serviceResponse": {
            "authenticationSuccess": {
                "user": "u7k2m9qxa",
                "attributes": {"isFromNewLogin": True, "mail": "a@b", "member": ["x", "y"]},
                "proxyGrantingTicket": "PGTIOU-1",
                "proxies": ["b", "a"],
            }
        }
    }


def test_cas_1_answers_in_lines_with_a_bare_line_feed() -> None:
    assert as_text(Success("anna")) == b"yes\nanna\n"
    assert as_text(Failure(Code.INVALID_TICKET, "x")) == b"no\n"
