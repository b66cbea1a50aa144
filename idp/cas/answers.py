"""Answers of the validation endpoints, as XML or JSON. Messages in, bytes out; pure.

Source:  CAS Protocol 3.0.3, 2.4.2, 2.5.2, 2.7.2 and appendix A; docs/domain.md on what clients read
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NAMESPACE = "http://www.yale.edu/tp/cas"
XML_TYPE = "application/xml; charset=UTF-8"
JSON_TYPE = "application/json; charset=UTF-8"
TEXT_TYPE = "text/plain; charset=UTF-8"

_BEFORE = f'<cas:serviceResponse xmlns:cas="{NAMESPACE}">'
_AFTER = "</cas:serviceResponse>"
_NOTHING_TO_ESCAPE = re.compile("[ -%'-;=?-~]*").fullmatch  # visible ASCII without & < >

# Characters that XML 1.0 cannot carry in any form (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Code(StrEnum):
    """Why a validation failed, in the specification's spelling (2.5.3, 2.7.3)."""

    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_TICKET_SPEC = "INVALID_TICKET_SPEC"
    UNAUTHORIZED_SERVICE_PROXY = "UNAUTHORIZED_SERVICE_PROXY"
    INVALID_PROXY_CALLBACK = "INVALID_PROXY_CALLBACK"
    INVALID_TICKET = "INVALID_TICKET"
    INVALID_SERVICE = "INVALID_SERVICE"
    UNAUTHORIZED_SERVICE = "UNAUTHORIZED_SERVICE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class Format(StrEnum):
    """Of an answer; the `format` parameter."""

    XML = "XML"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Success:
    """A ticket was good: who it is."""

    user: str
    attributes: Mapping[str, list[str]] = field(default_factory=dict)
    pgt_iou: str = ""
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A ticket was not good. `why` never repeats what was sent."""

    code: Code
    why: str


@dataclass(frozen=True, slots=True)
class ProxyTicket:
    """/proxy gave a ticket."""

    ticket: str


@dataclass(frozen=True, slots=True)
class ProxyFailure:
    """/proxy gave none."""

    code: Code
    why: str


Answer = Success | Failure | ProxyTicket | ProxyFailure


def render(answer: Answer, form: Format) -> tuple[bytes, str]:
    """Return body and content type."""
    return (as_json(answer), JSON_TYPE) if form is Format.JSON else (as_xml(answer), XML_TYPE)


def as_text(answer: Answer) -> bytes:
    """Return the answer of CAS 1: `yes` and the name, or `no`, in lines that end with a bare LF."""
    return f"yes\n{answer.user}\n".encode() if isinstance(answer, Success) else b"no\n"


def as_xml(answer: Answer) -> bytes:
    """Return the answer as a document whose elements carry the prefix `cas`, which some clients compare literally.

    Written by hand, since it is most of what the hot path computes: a test compares it with what lxml reads and writes.
    """
    match answer:
        case Success():
            inside = _success(answer)
        case Failure(code, why):
            inside = f'<cas:authenticationFailure code="{code}">{_text(why)}</cas:authenticationFailure>'
        case ProxyTicket(ticket):
            inside = f"<cas:proxySuccess>{_element('proxyTicket', ticket)}</cas:proxySuccess>"
        case ProxyFailure(code, why):
            inside = f'<cas:proxyFailure code="{code}">{_text(why)}</cas:proxyFailure>'
    return f"{_BEFORE}{inside}{_AFTER}".encode()


def _success(answer: Success) -> str:
    parts = ["<cas:authenticationSuccess>", _element("user", answer.user)]
    if answer.attributes:
        parts.append("<cas:attributes>")
        parts += [_element(name, value) for name, values in answer.attributes.items() for value in values]
        parts.append("</cas:attributes>")
    if answer.pgt_iou:
        parts.append(_element("proxyGrantingTicket", answer.pgt_iou))
    if answer.proxies:
        parts += ["<cas:proxies>", *(_element("proxy", proxy) for proxy in answer.proxies), "</cas:proxies>"]
    parts.append("</cas:authenticationSuccess>")
    return "".join(parts)


def _element(name: str, text: str) -> str:
    """Return an element without blanks around its text: mod_auth_cas takes it as it is. `name` is a name of ours."""
    return f"<cas:{name}>{_text(text)}</cas:{name}>"


def _text(text: str) -> str:
    if _NOTHING_TO_ESCAPE(text):
        return text
    text = readable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")  # a reader takes a bare one for a line feed


def readable(text: str) -> str:
    """Return `text` with characters that XML cannot carry replaced."""
    return _FORBIDDEN.sub("\ufffd", text)


def as_json(answer: Answer) -> bytes:
    """Return the answer as JSON; an attribute with one value is a text, with several a list."""
    return json.dumps({"serviceResponse": _plain(answer)}, ensure_ascii=False).encode()


def _plain(answer: Answer) -> dict[str, Any]:
    match answer:
        case Success(user, attributes, pgt_iou, proxies):
            inner: dict[str, Any] = {"user": user}
            if attributes:
                inner["attributes"] = {name: _single(name, values) for name, values in attributes.items()}
            if pgt_iou:
                inner["proxyGrantingTicket"] = pgt_iou
            if proxies:
                inner["proxies"] = list(proxies)
            return {"authenticationSuccess": inner}
        case Failure(code, why):
            return {"authenticationFailure": {"code": code, "description": why}}
        case ProxyTicket(ticket):
            return {"proxySuccess": {"proxyTicket": ticket}}
        case ProxyFailure(code, why):
            return {"proxyFailure": {"code": code, "description": why}}


def _single(name: str, values: list[str]) -> Any:
    if name in ("longTermAuthenticationRequestTokenUsed", "isFromNewLogin"):
        return values == ["true"]
    return values[0] if len(values) == 1 else values
