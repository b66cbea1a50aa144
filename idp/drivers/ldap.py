"""One LDAP operation at a time, over kept connections: binds to check a password, single reads and writes (ldap3).

Entries are named by their DN here. There is no search: ldap3 2.10.2rc4 does not decode RFC 4515 escapes, so a filter
with a bracket, star or backslash never matches. `idp.drivers.ldap_bulk` searches.
"""

import math
import queue
import select
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ldap3 import (
    AUTO_BIND_NONE,
    BASE,
    MODIFY_ADD,
    MODIFY_DELETE,
    MODIFY_REPLACE,
    NONE,
    SAFE_SYNC,
    Connection,
    Server,
    Tls,
)
from ldap3.core.exceptions import (
    LDAPBindError,
    LDAPException,
    LDAPSessionTerminatedByServerError,
    LDAPSocketReceiveError,
)
from ldap3.utils.dn import parse_dn

from idp.drivers.ldap_values import (
    INVALID_CREDENTIALS,
    LOCKED,
    NO_SUCH_OBJECT,
    SUCCESS,
    Add,
    AddValues,
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
from idp.errors import ConfigError, Conflict, IdpError, NotFound, TargetRejected, TargetUnavailable

ENTRY_WITHOUT_PASSWORD, NOT_A_NAME = 48, 34
NOT_THIS_PASSWORD = frozenset({INVALID_CREDENTIALS, NO_SUCH_OBJECT, ENTRY_WITHOUT_PASSWORD, NOT_A_NAME})


class Directory:
    """A server, used with one account. Threads share it. Each connection serves one thread at a time.

    Raises:  ConfigError if the file has no CA certificates
    """

    def __init__(self, server: LdapServer, dn: str, password: str, kept: int = 8) -> None:
        if not dn or not password:
            # Either one empty makes an anonymous bind, which succeeds on many servers (RFC 4513 section 5.1).
            raise ValueError("an account needs a DN and a password")
        self._server = server
        self._dn = dn
        self._password = password
        is_tls = server.start_tls or server.url.startswith("ldaps:")
        self._tls = _CheckedTls(server.ca_file) if is_tls else None
        self._own = _Kept(kept)
        self._others = _Kept(kept)

    def bind(self, dn: str, password: str) -> bool:
        """Return whether this is the password of `dn`; False if there is no such entry.

        Raises:  TargetUnavailable when the server could not say
        Source:  RFC 4513 section 5.1.2; docs/domain.md, LDAP behaviour
        """
        if not dn or not password or "\0" in password:
            return False
        with self._lent(self._others) as connection:
            code = _bind(connection, dn, password)
            if code == SUCCESS:
                return _is_same_dn(_who_am_i(connection), dn)
            if code in NOT_THIS_PASSWORD:
                return False
            raise TargetUnavailable(f"the directory answered a bind with code {code}")

    def is_locked(self, dn: str) -> bool:
        """Return whether an entry is locked: the server refuses its binds with any password.

        Raises:  TargetUnavailable, TargetRejected
        Source:  docs/domain.md, the lock
        """
        found = self.read(dn, [LOCKED])
        return found is not None and bool(found.values(LOCKED))

    def read(self, dn: str, attributes: Sequence[str]) -> LdapEntry | None:
        """Return one entry with these attributes, or None.

        Raises:  TargetUnavailable, TargetRejected
        """
        with self._own_connection() as connection:
            _, result, response, _ = connection.search(
                dn,
                "(objectClass=*)",
                search_scope=BASE,
                attributes=list(attributes),
                time_limit=math.ceil(self._server.timeout_s),
            )
            if result["result"] == NO_SUCH_OBJECT:
                return None
            _check((None, result), dn)
            return next((_entry(each) for each in response if each["type"] == "searchResEntry"), None)

    def add(self, dn: str, attributes: Mapping[str, Sequence[str]]) -> None:
        """Make an entry.

        Raises:  Conflict when there is one, TargetUnavailable, TargetRejected
        """
        with self._own_connection() as connection:
            _check_write(connection.add(dn, attributes=_encoded(attributes)), dn)

    def modify(self, dn: str, modifications: Sequence[Modification], only_if: str = "") -> None:
        """Change an entry: all modifications or none. With `only_if`, change it only if it matches this filter.

        Raises:  NotFound, TargetUnavailable, TargetRejected
        """
        changes: dict[str, list[tuple[str, list[bytes]]]] = {}
        for each in modifications:
            match each:
                case Replace(name, values):
                    changes.setdefault(name, []).append((MODIFY_REPLACE, _bytes(values)))
                case AddValues(name, values):
                    changes.setdefault(name, []).append((MODIFY_ADD, _bytes(values)))
                case RemoveValues(name, values):
                    changes.setdefault(name, []).append((MODIFY_DELETE, _bytes(values)))
        with self._own_connection() as connection:
            _check_write(connection.modify(dn, changes, controls=_controls(only_if)), dn)

    def set_password(self, dn: str, phc_argon2: str, only_if: str = "") -> None:
        """Make `phc_argon2` (a `$argon2id$…` string) the one password of an entry; `only_if` as for `modify`.

        Raises:  NotFound, TargetUnavailable, TargetRejected
        Effect:  replaces every earlier value, or the old password would still work
        """
        if not phc_argon2.startswith("$argon2id$"):
            raise ValueError("not an argon2id hash")
        self.modify(dn, [Replace("userPassword", ["{ARGON2}" + phc_argon2])], only_if)

    def rename(self, dn: str, new_rdn: str, only_if: str = "") -> None:
        """Give an entry another name in its place; `only_if` as for `modify`.

        Raises:  NotFound, Conflict when the name is taken, TargetUnavailable, TargetRejected
        """
        with self._own_connection() as connection:
            _check_write(connection.modify_dn(dn, new_rdn, controls=_controls(only_if)), dn)

    def delete(self, dn: str, only_if: str = "") -> None:
        """Remove an entry; `only_if` as for `modify`.

        Raises:  NotFound, TargetUnavailable, TargetRejected
        """
        with self._own_connection() as connection:
            _check_write(connection.delete(dn, controls=_controls(only_if)), dn)

    def write(self, write: Write) -> None:
        """Do one write of whatever kind.

        Raises:  as the method of that kind
        """
        match write:
            case Add(dn, attributes):
                self.add(dn, attributes)
            case Modify(dn, modifications, only_if):
                self.modify(dn, modifications, only_if)
            case Rename(dn, new_rdn, only_if):
                self.rename(dn, new_rdn, only_if)
            case Delete(dn, only_if):
                self.delete(dn, only_if)

    def ping(self) -> None:
        """Return if the server answers us and knows our account.

        Raises:  TargetUnavailable
        """
        with self._own_connection() as connection:
            _who_am_i(connection)

    def close(self) -> None:
        """Close all idle connections. A closed directory can be used again."""
        self._own.close()
        self._others.close()

    @contextmanager
    def _own_connection(self) -> Iterator[Any]:
        """Lend a connection that is bound as our account."""
        with self._lent(self._own) as connection:
            if not connection.bound:
                self._sign_in(connection)
            yield connection

    def _sign_in(self, connection: Any) -> None:
        code = _bind(connection, self._dn, self._password)
        if code != SUCCESS:
            raise TargetUnavailable(
                f"the directory refuses our account {self._dn} (code {code}): check its password file"
            )
        # A bind that a server took for anonymous would read and write nothing, silently.
        if not _is_same_dn(_who_am_i(connection), self._dn):
            raise TargetUnavailable(f"the directory did not sign in our account {self._dn}")

    @contextmanager
    def _lent(self, kept: "_Kept") -> Iterator[Any]:
        """Yield an idle connection or a new one. It is kept only if the server answered."""
        try:
            connection = kept.take() or self._connect()
            try:
                yield connection
            except (TargetRejected, Conflict, NotFound):
                kept.give_back(connection)  # the server answered: the connection is sound
                raise
            except BaseException:
                _close(connection)
                raise
        except (LDAPException, OSError) as exc:
            kept.close()  # a restarted server has closed them all
            raise TargetUnavailable(f"{self._server.url}: {self._in_plain_english(exc)}") from exc
        kept.give_back(connection)

    def _in_plain_english(self, error: Exception) -> str:
        seen: BaseException | None = error
        while seen is not None:
            # The library keeps a time-out as the cause of its own errors, or as their text alone.
            if isinstance(seen, TimeoutError) or "timed out" in str(seen):
                return f"no answer within {self._server.timeout_s:g} seconds"
            seen = seen.__cause__ or seen.__context__
        if isinstance(error, LDAPBindError | LDAPSocketReceiveError | LDAPSessionTerminatedByServerError):
            return "the server closed the connection without an answer"
        return str(error)  # it names hosts and causes; it repeats no request, so no password

    def _connect(self) -> Any:
        where = urlsplit(self._server.url)
        is_tls = where.scheme == "ldaps"
        # One server object per connection: the library stores the state of a connection in it.
        server = Server(
            where.hostname,
            port=where.port or (636 if is_tls else 389),
            use_ssl=is_tls,
            tls=self._tls,
            get_info=NONE,
            connect_timeout=self._server.timeout_s,
        )
        connection = Connection(
            server,
            client_strategy=SAFE_SYNC,
            auto_bind=AUTO_BIND_NONE,
            authentication=None,
            check_names=False,
            auto_referrals=False,
            return_empty_attributes=False,
            receive_timeout=math.ceil(self._server.timeout_s),  # the library packs it as an integer …
        )
        try:
            connection.open()
            connection.socket.settimeout(self._server.timeout_s)  # … and this is what counts
            if self._server.start_tls and not connection.start_tls(read_server_info=False)[0]:
                raise TargetUnavailable(f"{self._server.url} does not switch to TLS")
        except BaseException:
            _close(connection)
            raise
        return connection


class _CheckedTls(Tls):  # type: ignore[misc]  # the library has no types
    """TLS with the checks of the standard library: chain and host name, before anything is sent.

    The library compares the name after the handshake, with a function that Python 3.12 removed.
    """

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        try:
            self._context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except OSError as exc:
            raise ConfigError(f"{ca_file}: no file with CA certificates (PEM): {exc.strerror or exc}") from exc

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class _Kept:
    """Idle connections, the last used first."""

    def __init__(self, most: int) -> None:
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue(most)

    def take(self) -> Any | None:
        """Return a living connection, or None."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return None
            # An idle LDAP server sends nothing. If there is something to read, it closed the connection, and a write
            # over it would be in doubt.
            if not connection.closed and not _has_something_to_read(connection):
                return connection
            _close(connection)

    def give_back(self, connection: Any) -> None:
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            _close(connection)

    def close(self) -> None:
        while True:
            try:
                _close(self._idle.get_nowait())
            except queue.Empty:
                return


def _has_something_to_read(connection: Any) -> bool:
    poll = select.poll()  # select() cannot watch descriptors above 1023
    poll.register(connection.socket, select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))


def _close(connection: Any) -> None:
    try:
        connection.unbind()
    except (LDAPException, OSError):
        if connection.socket is not None:
            connection.socket.close()


def _bind(connection: Any, dn: str, password: str) -> int:
    _, result, _, _ = connection.rebind(user=dn, password=password, authentication="SIMPLE", read_server_info=False)
    code: int = result["result"]
    return code


def _who_am_i(connection: Any) -> str:
    """Return the DN that the server takes us for.

    Source:  RFC 4532: "dn:" and the DN
    """
    answer = connection.extend.standard.who_am_i()
    text = answer.decode() if isinstance(answer, bytes) else str(answer or "")
    return text.removeprefix("dn:")


def _is_same_dn(one: str, other: str) -> bool:
    return bool(one) and _folded(one) == _folded(other)


def _folded(dn: str) -> list[tuple[str, str]]:
    return [(name.lower(), value.lower()) for name, value, _ in parse_dn(dn, strip=True)]


def _check(answer: Sequence[Any], dn: str, of: Callable[[int, str], IdpError] = error_of) -> None:
    """Raise our error for an answer that is not success. The server's text goes into it, the request does not."""
    result = answer[1]
    code, said = result["result"], f"{dn}: {result['description']} {result['message']}".strip()
    if code != SUCCESS:
        raise of(code, said)


def _check_write(answer: Sequence[Any], dn: str) -> None:
    _check(answer, dn, error_of_write)


def _controls(only_if: str) -> list[tuple[str, bool, bytes]] | None:
    if not only_if:
        return None
    # The other library's: this one leaves a filter's escapes as they stand, and its assertion would never hold. Late,
    # since most of those who open a directory write nothing.
    from ldap.controls.libldap import AssertionControl

    control = AssertionControl(criticality=True, filterstr=only_if)
    return [(control.controlType, control.criticality, control.encodeControlValue())]


def _entry(raw: Mapping[str, Any]) -> LdapEntry:
    return ldap_entry(raw["dn"], raw["raw_attributes"])


def _encoded(attributes: Mapping[str, Sequence[str]]) -> dict[str, list[bytes]]:
    return {name: _bytes(values) for name, values in attributes.items() if values}


def _bytes(values: Sequence[str]) -> list[bytes]:
    # As bytes the library passes them on untouched; in text it would look for escapes.
    return [value.encode() for value in values]
