"""Addresses of applications, parsed so that they have one reading. Pure.

Two programs must not read one text as two different addresses.
Sources: RFC 3986; CAS Protocol 3.0.3, 2.1.1 and appendix B; docs/domain.md on what real clients send.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote

from idp.errors import InvalidServiceUrl

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}

# Letters of a host name or IPv4 address, or IPv6 in brackets. No user, no percent sign, only ASCII: an
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
_PLAIN = re.compile(r"(?:[!#-;=?-\[\]^_a-~]|[^\x00-\x7f])+")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-f]{2})|%(?:[01][0-9a-f]|7f)", re.ASCII | re.IGNORECASE)
# An escaped dot, backslash, semicolon or percent sign makes a path that two readers split differently.
_AMBIGUOUS_PATH = re.compile(r"//|%(?:2e|5c|3b|25)", re.ASCII | re.IGNORECASE)
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|;|$)", re.ASCII)
_ESCAPED_SLASH = re.compile(r"%2f", re.ASCII | re.IGNORECASE)
# What Tomcat, Jetty, WebLogic and WebSphere write. Nothing escaped: it would stay unread.
SESSION_ID = re.compile(r";jsessionid=[a-z0-9._!~:-]*", re.ASCII | re.IGNORECASE)
_ASCII = "".join(map(chr, range(128)))


@dataclass(frozen=True, slots=True)
class ApplicationUrl:
    """A URL with exactly one reading, and the text that it was read from."""

    text: str
    scheme: str
    host: str  # lower case, IPv6 without brackets
    port: int
    path: str  # "/" when the text has none; without ;jsessionid; letters beyond ASCII are percent-encoded
    query: tuple[tuple[str, str], ...]  # decoded once
    has_fragment: bool

    @property
    def unescaped_path(self) -> str:
        """The path as a server reads it that takes `%2F` for a slash."""
        return _ESCAPED_SLASH.sub("/", self.path)


@lru_cache(maxsize=1024)  # the same few addresses come with every request
def parse_url(text: str) -> ApplicationUrl:
    """Return the URL in `text`.

    Raises:  InvalidServiceUrl for a text with two readings, another scheme than http or https, or too many characters
    """
    found = _URL.fullmatch(text) if len(text) <= MAX_LENGTH and _PLAIN.fullmatch(text) else None
    if found is None or _BAD_ESCAPE.search(text) or not _has_plain_letters(text):
        raise InvalidServiceUrl("not a plain http or https address")
    whole_path = found["path"] or "/"
    path = SESSION_ID.sub("", whole_path)
    # The application may read the session id as a part of its path, so both readings have to be plain.
    if _has_two_readings(whole_path) or _has_two_readings(path):
        raise InvalidServiceUrl("a path with doubled slashes, dot segments or escaped separators")
    host = found["host"].lower()
    if not _is_plain_host(host):
        raise InvalidServiceUrl("not a host name")
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise InvalidServiceUrl("not a port")
    query = tuple(parse_qsl((found["query"] or "")[1:], keep_blank_values=True))
    return ApplicationUrl(
        text, scheme, host.strip("[]"), port, as_ascii(path), query, has_fragment=found["fragment"] is not None
    )


def as_ascii(text: str) -> str:
    """Return `text` with letters beyond ASCII percent-encoded, as a browser sends them; every other byte stays."""
    return text if text.isascii() else quote(text, safe=_ASCII)


def _has_two_readings(path: str) -> bool:
    """`%2F` alone is common in paths. It must not hide a dot segment or begin the path like a host name."""
    if _AMBIGUOUS_PATH.search(path):
        return True
    unescaped = _ESCAPED_SLASH.sub("/", path)
    return unescaped.startswith("//") or _DOT_SEGMENT.search(unescaped) is not None


def _has_plain_letters(text: str) -> bool:
    """Visible, and nothing that a normalising server turns into a separator, such as a full-width slash."""
    if text.isascii():
        return True
    plain = (unicodedata.normalize("NFKC", letter) for letter in set(text) if not letter.isascii())
    return text.isprintable() and all(part.isalnum() for letter in plain for part in letter if part.isascii())


def _is_plain_host(host: str) -> bool:
    """No empty label, and digits only in the usual IPv4 form: `127.1` and `0x7f.1` are tricks."""
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
