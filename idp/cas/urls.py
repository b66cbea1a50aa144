"""Service URLs: read strictly, compared exactly, and led back to with a ticket. Pure.

A text that two programs could read as two different addresses is no address for us: what passes here has one reading.
Sources: RFC 3986; CAS Protocol 3.0.3, 2.1.1 and appendix B; docs/domain.md on what real clients send.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote

from idp.errors import InvalidServiceUrl

MAX_LENGTH = 2048

# Letters of a host name or IPv4 address, or IPv6 in brackets. No user, no percent sign, nothing beyond ASCII: an
# internationalised name is registered and sent in its ASCII form (xn--…).
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#]*)?"
    r"(?P<query>\?[^#]*)?"
    r"(?P<fragment>\#.*)?",
    re.ASCII | re.IGNORECASE,
)
# Visible ASCII without the characters that browsers and servers rewrite or that end a text: " < > \ ` and space.
_PLAIN = re.compile(r"[!#-;=?-\[\]^_a-~]+", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|7f)", re.ASCII | re.IGNORECASE)
# An escaped dot, slash, backslash, semicolon or percent sign makes a path that two readers split differently.
_SLY_PATH = re.compile(r"//|%(?:2e|2f|5c|3b|25)|/\.{1,2}(?:/|;|$)", re.ASCII | re.IGNORECASE)
# What Tomcat, Jetty, WebLogic and WebSphere write; nothing escaped, which would stay unread.
_SESSION_ID = re.compile(r";jsessionid=[a-z0-9._!~:-]*", re.ASCII | re.IGNORECASE)

TICKET, SAML_TICKET = "ticket", "SAMLart"
_TICKETS = (f"{TICKET}=", f"{SAML_TICKET}=")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """A URL with exactly one reading, and the very text that it was read from."""

    text: str
    scheme: str
    host: str  # lower case, IPv6 without brackets
    port: int
    path: str  # "/" when the text has none; without ;jsessionid
    query: tuple[tuple[str, str], ...]  # decoded once
    has_fragment: bool


@lru_cache(maxsize=1024)  # the same few addresses come with every request
def parse_service_url(text: str) -> ServiceUrl:
    """Return the URL in `text`.

    Raises:  InvalidServiceUrl for anything that could be read in two ways, is not http(s), or is too long
    """
    found = _URL.fullmatch(text) if len(text) <= MAX_LENGTH and _PLAIN.fullmatch(text) else None
    if found is None or _BAD_ESCAPE.search(text):
        raise InvalidServiceUrl("not a plain http or https address")
    whole_path = found["path"] or "/"
    path = _SESSION_ID.sub("", whole_path)
    # The application may read the session id as a part of its path, so both readings have to be plain.
    if _SLY_PATH.search(whole_path) or _SLY_PATH.search(path):
        raise InvalidServiceUrl("a path with doubled slashes, dot segments or escaped separators")
    host = found["host"].lower()
    if not _is_plain_host(host):
        raise InvalidServiceUrl("not a host name")
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise InvalidServiceUrl("not a port")
    query = tuple(parse_qsl((found["query"] or "")[1:], keep_blank_values=True))
    return ServiceUrl(text, scheme, host.strip("[]"), port, path, query, found["fragment"] is not None)


def _is_plain_host(host: str) -> bool:
    """No empty label, and digits only where the whole is the usual IPv4 form: `127.1` and `0x7f.1` are tricks."""
    if host.startswith("["):
        return _is_ipv6(host[1:-1])
    labels = host.split(".")
    if any(not label or label.startswith("-") or label.endswith("-") for label in labels):
        return False
    if not labels[-1][0].isdigit():
        return True
    return len(labels) == 4 and all(_is_octet(label) for label in labels)


def _is_octet(label: str) -> bool:
    return label.isdigit() and str(int(label)) == label and int(label) < 256


def _is_ipv6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def same_service(bound: str, given: str) -> bool:
    """Tell whether a ticket for `bound` may be validated as `given`: the same text.

    Two differences do not count, since clients make them unwillingly: `;jsessionid=…` (the Java client signs in with
    one and validates with another), and a ticket left over from before.
    """
    return bound == given or _comparable(bound) == _comparable(given)


def _comparable(text: str) -> str:
    return without_ticket(_SESSION_ID.sub("", text))


def with_ticket(text: str, ticket: str, parameter: str = TICKET) -> str:
    """Return the address to lead the browser to.

    Shape:   "https://a/b?c=d#e" -> "https://a/b?c=d&ticket=ST-…#e"; a left-over ticket goes, other bytes stay
    """
    return with_parameters(without_ticket(text), {parameter: ticket})


def with_parameters(text: str, added: dict[str, str]) -> str:
    """Return `text` with parameters at the end of its query, before any fragment."""
    address, hash_sign, fragment = text.partition("#")
    sign = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    pairs = "&".join(f"{quote(name, safe='')}={quote(value, safe='-')}" for name, value in added.items())
    return f"{address}{sign}{pairs}{hash_sign}{fragment}"


def without_ticket(text: str) -> str:
    """Return `text` without tickets, every other byte as it was."""
    if not any(start in text for start in _TICKETS):
        return text
    address, hash_sign, fragment = text.partition("#")
    path, question_mark, query = address.partition("?")
    kept = [pair for pair in query.split("&") if not pair.startswith(_TICKETS)]
    query = "&".join(kept)
    return f"{path}{question_mark if query else ''}{query}{hash_sign}{fragment}"
