"""Many LDAP operations over one connection: read entries as a stream, keep many writes in flight (python-ldap)."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from types import TracebackType
from typing import Any, Self

import ldap
from ldap.controls.libldap import AssertionControl
from ldap.dn import dn2str, str2dn

from idp.drivers.ldap_values import (
    Add,
    AddValues,
    Answer,
    Delete,
    LdapEntry,
    LdapServer,
    Modification,
    Modify,
    RemoveValues,
    Rename,
    Replace,
    Write,
    error_of,
    error_of_write,
    ldap_entry,
)
from idp.errors import IdpError, TargetUnavailable

SCOPES = {"base": ldap.SCOPE_BASE, "one": ldap.SCOPE_ONELEVEL, "sub": ldap.SCOPE_SUBTREE}
# These come from the library, not from a server. The connection cannot be used any more.
CONNECTION_LOST = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT)


class BulkLdap:
    """One connection, bound as one account, for one user at a time.

    Shape:   with BulkLdap(server, dn, password) as bulk: for entry in bulk.stream(…): …
    Raises:  TargetUnavailable when it cannot connect or sign in
    """

    def __init__(self, server: LdapServer, dn: str, password: str, in_flight: int = 64) -> None:
        if not dn or not password:
            raise ValueError("an account needs a DN and a password")
        self._in_flight = in_flight
        self._timeout_s = server.timeout_s
        self._connection = connected(server, dn, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a repeat is harmless."""
        with suppress(ldap.LDAPError):  # it was lost already
            self._connection.unbind_s()

    def stream(
        self, base_dn: str, filter_: str, attributes: Sequence[str], scope: str = "one"
    ) -> Generator[LdapEntry, None, None]:
        """Yield every entry that matches, as it arrives; build `filter_` with idp.drivers.ldap_values.

        Raises:  as `stream_raw`
        """
        with closing(self.stream_raw(base_dn, filter_, attributes, scope)) as found:
            for dn, values in found:
                yield ldap_entry(dn, values)

    def stream_raw(
        self, base_dn: str, filter_: str, attributes: Sequence[str], scope: str = "one"
    ) -> Generator[tuple[str, dict[str, list[bytes]]], None, None]:
        """Yield DN and values as received, with the server's attribute names.

        Raises:  TargetUnavailable, TargetRejected; also when the server cut the answer short: a part of the people
                 must never be taken for all of them
        """
        try:
            number = self._connection.search_ext(base_dn, SCOPES[scope], filter_, list(attributes))
        except ldap.LDAPError as exc:
            raise translated(exc, base_dn) from exc
        is_over = False
        try:
            while not is_over:
                kind, found, _, _ = self._connection.result3(number, all=0, timeout=self._timeout_s)
                is_over = kind == ldap.RES_SEARCH_RESULT
                if kind == ldap.RES_SEARCH_ENTRY:
                    yield from found
        except ldap.LDAPError as exc:
            is_over = True
            raise translated(exc, base_dn) from exc
        finally:
            if not is_over:
                self._abandon(number)

    def write(self, writes: Iterable[Write]) -> Iterator[Answer]:
        """Send writes without waiting for each, and yield the answers in the same order.

        Raises:  TargetUnavailable when the connection is lost: whether a write without an answer was done, only a new
                 look can say
        """
        sent: deque[tuple[Write, int]] = deque()
        for each in writes:
            sent.append((each, self._send(each)))
            if len(sent) >= self._in_flight:
                yield self._answer(*sent.popleft())
        while sent:
            yield self._answer(*sent.popleft())

    def write_in_turn(self, writes: Iterable[Write]) -> IdpError | None:
        """Send each write after the answer to the one before, and return the first error.

        Raises:  TargetUnavailable when the connection is lost
        """
        answers = (self._answer(write, self._send(write)) for write in writes)
        return next((answer.error for answer in answers if answer.error is not None), None)

    def _answer(self, write: Write, number: int) -> Answer:
        try:
            self._connection.result3(number, timeout=self._timeout_s)
        except ldap.LDAPError as exc:
            error = translated(exc, write.dn, error_of_write)
            if isinstance(exc, CONNECTION_LOST):
                raise error from exc
            return Answer(write, error)
        return Answer(write, None)

    def _send(self, write: Write) -> int:
        try:
            match write:
                case Add(dn, attributes):
                    entry = [(name, _bytes(values)) for name, values in attributes.items() if values]
                    number: int = self._connection.add_ext(dn, entry)
                case Modify(dn, modifications, only_if):
                    changes = [_modification(each) for each in modifications]
                    number = self._connection.modify_ext(dn, changes, serverctrls=_controls(only_if))
                case Rename(dn, rdn, only_if):
                    number = self._connection.rename(dn, rdn, serverctrls=_controls(only_if))
                case Delete(dn, only_if):
                    number = self._connection.delete_ext(dn, serverctrls=_controls(only_if))
        except ldap.LDAPError as exc:
            raise translated(exc, write.dn) from exc
        return number

    def _abandon(self, number: int) -> None:
        with suppress(ldap.LDAPError):  # the connection is lost, and the request with it
            self._connection.abandon(number)


def connected(server: LdapServer, dn: str, password: str, make: Callable[[str], Any] = ldap.initialize) -> Any:
    """Return a connection that is bound as our account.

    Raises:  TargetUnavailable
    """
    connection = make(server.url)
    # Set one by one: an ldap.conf of the machine could otherwise cut every answer at its SIZELIMIT.
    options = [
        (ldap.OPT_PROTOCOL_VERSION, 3),
        (ldap.OPT_REFERRALS, ldap.OPT_OFF),
        (ldap.OPT_SIZELIMIT, ldap.NO_LIMIT),
        (ldap.OPT_TIMELIMIT, ldap.NO_LIMIT),
        (ldap.OPT_DEREF, ldap.DEREF_NEVER),
        (ldap.OPT_NETWORK_TIMEOUT, server.timeout_s),
        (ldap.OPT_TIMEOUT, server.timeout_s),
        (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
    ]
    if server.ca_file is not None:
        options.append((ldap.OPT_X_TLS_CACERTFILE, str(server.ca_file)))
    try:
        for option, value in options:
            connection.set_option(option, value)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # makes the TLS options above count
        if server.start_tls:
            connection.start_tls_s()
        connection.simple_bind_s(dn, password)
        is_ours = connection.whoami_s().lower() == f"dn:{_canonical(dn)}".lower()
    except ldap.LDAPError as exc:
        connection.unbind_s()
        # A refusal of our own account is no answer to a request. Once it is repaired, everything continues.
        raise TargetUnavailable(f"{server.url}, as {dn}: {_said(exc)}") from exc
    if not is_ours:
        connection.unbind_s()
        raise TargetUnavailable(f"{server.url} did not sign in {dn}")
    return connection


def _canonical(dn: str) -> str:
    canonical: str = dn2str(str2dn(dn))
    return canonical


def translated(exc: ldap.LDAPError, dn: str, of: Callable[[int, str], IdpError] = error_of) -> IdpError:
    """Return our error for an error of the library."""
    said = f"{dn}: {_said(exc)}"
    return TargetUnavailable(said) if isinstance(exc, CONNECTION_LOST) else of(_code(exc), said)


def _code(exc: ldap.LDAPError) -> int:
    details = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
    code: int = details.get("result", getattr(exc, "errnum", -1))
    return code


def _said(exc: ldap.LDAPError) -> str:
    """`Constraint violation: non-unique attributes found with …`: what the server said; it repeats no request."""
    details = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
    said = (str(details.get(part) or "").strip() for part in ("desc", "info"))
    return ": ".join(part for part in said if part) or type(exc).__name__


def _controls(only_if: str) -> list[AssertionControl] | None:
    return [AssertionControl(criticality=True, filterstr=only_if)] if only_if else None


def _modification(each: Modification) -> tuple[int, str, list[bytes] | None]:
    match each:
        case Replace(name, values):
            return (ldap.MOD_REPLACE, name, _bytes(values) or None)
        case AddValues(name, values):
            return (ldap.MOD_ADD, name, _bytes(values))
        case RemoveValues(name, values):
            return (ldap.MOD_DELETE, name, _bytes(values))


def _bytes(values: Sequence[str]) -> list[bytes]:
    return [value.encode() for value in values]
