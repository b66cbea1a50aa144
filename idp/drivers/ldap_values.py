"""Values of both LDAP clients: entries, writes, and escaped text for names and filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from idp.errors import Conflict, IdpError, NotFound, TargetRejected, TargetUnavailable

# RFC 4511, appendix A.2, and what slapd answers when it is read-only (53), out of disk (80) or shutting down (52): the
# same request may succeed later. Every other error is a refusal of this request.
TRANSIENT_CODES: Final = frozenset({1, 3, 8, 11, 51, 52, 53, 80, 81, 85})
SUCCESS, NO_SUCH_OBJECT, INVALID_CREDENTIALS, ALREADY_EXISTS = 0, 32, 49, 68
UNAVAILABLE_CRITICAL_EXTENSION, ASSERTION_FAILED = 12, 122
LOCKED: Final = "pwdAccountLockedTime"


@dataclass(frozen=True, slots=True)
class LdapServer:
    """One server and how to reach it."""

    url: str  # ldap://host:port or ldaps://host:port
    ca_file: Path | None = None
    start_tls: bool = False
    timeout_s: float = 2.0  # for a connection, and for one answer


@dataclass(frozen=True, slots=True)
class LdapEntry:
    """One entry as read: the names of attributes in lower case, values as text in the server's order."""

    dn: str
    attributes: Mapping[str, tuple[str, ...]]

    def values(self, name: str) -> tuple[str, ...]:
        """Return an attribute's values, none if it has none."""
        return self.attributes.get(name.lower(), ())


def ldap_entry(dn: str, values: Mapping[str, Sequence[bytes]]) -> LdapEntry:
    """Return what came off the wire as text."""
    attributes = {
        name.lower(): tuple(value.decode(errors="replace") for value in found) for name, found in values.items()
    }
    return LdapEntry(dn, attributes)


@dataclass(frozen=True, slots=True)
class Replace:
    """Set an attribute to exactly these values. No values remove it. A repeat is harmless."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class AddValues:
    """Add values and keep the others. The server refuses a value that exists."""

    name: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class RemoveValues:
    """Remove values and keep the others. The server refuses a value that does not exist."""

    name: str
    values: Sequence[str]


Modification = Replace | AddValues | RemoveValues


@dataclass(frozen=True, slots=True)
class Add:
    """Make an entry."""

    dn: str
    attributes: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Modify:
    """Change an entry: all modifications or none.

    Shape:   only_if: a filter. The server refuses the write if the entry does not match. Empty: any entry
    Source:  RFC 4528, the assertion control
    """

    dn: str
    modifications: Sequence[Modification]
    only_if: str = ""


@dataclass(frozen=True, slots=True)
class Rename:
    """Rename an entry in its place. The value of the old name is removed."""

    dn: str
    rdn: str
    only_if: str = ""  # as that of Modify


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an entry."""

    dn: str
    only_if: str = ""  # as that of Modify


Write = Add | Modify | Rename | Delete


# python-ldap is imported late below: every command reads settings, and the library takes 0.1 s to import.


def rdn(name: str, value: str) -> str:
    """Return a relative name with `value` in it, whatever characters it has.

    Shape:   ("uid", "a,b") -> "uid=a\\,b"
    Raises:  ValueError for an empty value, which no name may have
    """
    from ldap.dn import escape_dn_chars

    if not value:
        raise ValueError("a name cannot be empty")
    return f"{name}={escape_dn_chars(value)}"


def split_dn(dn: str) -> list[str]:
    """Return the relative names in a DN, the entry's own first.

    Shape:   "cn=a\\,b,dc=x" -> ["cn=a\\,b", "dc=x"]
    """
    from ldap.dn import explode_dn

    parts: list[str] = explode_dn(dn)
    return parts


def equals(name: str, value: str) -> str:
    """Return the filter "`name` has `value`", whatever characters it has.

    Shape:   ("cn", "a*(b)") -> "(cn=a\\2a\\28b\\29)"
    """
    from ldap.filter import escape_filter_chars

    return f"({name}={escape_filter_chars(value)})"


def any_of(filters: Sequence[str]) -> str:
    """Return the filter "one of these"; at least one is needed."""
    return filters[0] if len(filters) == 1 else f"(|{''.join(filters)})"


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one write."""

    write: Write
    error: IdpError | None  # None: done; else as `error_of_write` says


def error_of(code: int, said: str) -> IdpError:
    """Return our error for a result code that is not success. Both clients use this translation.

    Shape:   68 -> Conflict, 32 -> NotFound, 51 -> TargetUnavailable (try again), 19 -> TargetRejected (do not)
    """
    if code == NO_SUCH_OBJECT:
        return NotFound(said)
    if code == ALREADY_EXISTS:
        return Conflict(said)
    return TargetUnavailable(said) if code in TRANSIENT_CODES else TargetRejected(said)


def error_of_write(code: int, said: str) -> IdpError:
    """Return our error for a write that was not done: as `error_of`, plus codes that only writes get.

    Shape:   122 -> TargetRejected (the entry is not as `only_if` asks), 12 -> TargetUnavailable: a server that does not
             know the assertion control refuses every write, so the server must be repaired
    """
    if code == ASSERTION_FAILED:
        return TargetRejected(f"{said}: the entry of this name is not ours, or not any more; it was left as it is")
    if code == UNAVAILABLE_CRITICAL_EXTENSION:
        return TargetUnavailable(f"{said}: it must know the assertion control (RFC 4528), or no entry is changed")
    return error_of(code, said)


@cache
def branch_filters(dn: str) -> tuple[str, ...]:
    """Return filters that match the entry of this name, and each entry above it."""
    parts = split_dn(dn)
    return tuple(equals("entryDN", ",".join(parts[at:])) for at in range(len(parts)))
