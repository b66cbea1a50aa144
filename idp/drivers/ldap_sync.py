"""Ask a directory what changed since the last time: RFC 4533 (syncrepl), refreshOnly, with python-ldap."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ldap
from ldap.ldapobject import SimpleLDAPObject
from ldap.syncrepl import SyncreplConsumer

from idp.drivers.ldap_bulk import CONNECTION_LOST, SCOPES, connected, translated
from idp.drivers.ldap_values import LdapEntry, LdapServer, ldap_entry

NOBODY = "(!(objectClass=*))"  # matches nothing: we want only the cookie
# The server cannot continue from this cookie. Either it says so (e-syncRefreshRequired), or its data are older than the
# cookie, as after a restored backup (slapd: "consumer state is newer than provider").
CANNOT_TELL = 4096
UNWILLING = 53


@dataclass(frozen=True, slots=True)
class SyncChanges:
    """What changed: entries created or changed, keys of removed entries, and the cookie for the next request."""

    cookie: str
    entries: Sequence[tuple[str, LdapEntry]]  # entryUUID and entry
    gone: Sequence[str]  # entryUUIDs: deleted, or no longer matching


class _CannotTell(Exception):
    """The server lists all present entries instead of the changes."""


@dataclass
class _Heard:
    cookie: str | None = None
    entries: dict[str, LdapEntry] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)


class _Consumer(SyncreplConsumer, SimpleLDAPObject):  # type: ignore[misc]  # python-ldap ships no types
    """Collects the server's messages. python-ldap prescribes the names of the methods."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.heard = _Heard()

    def syncrepl_get_cookie(self) -> None:
        return None

    def syncrepl_set_cookie(self, cookie: str) -> None:
        self.heard.cookie = str(cookie)

    def syncrepl_entry(self, dn: str, attributes: dict[str, list[bytes]], uuid: str) -> None:
        self.heard.gone.pop(uuid, None)
        self.heard.entries[uuid] = ldap_entry(dn, attributes)

    def syncrepl_delete(self, uuids: Sequence[str]) -> None:
        for uuid in uuids:
            self.heard.entries.pop(uuid, None)
            self.heard.gone[uuid] = None

    def syncrepl_present(self, uuids: Sequence[str] | None, refreshDeletes: bool = False) -> None:  # noqa: N803 - theirs
        # Deletions are told only in the delete phase. In the present phase (after a restart, or with too many changes)
        # a server lists everybody who did not change: reading all by a search is faster, and as good.
        listed = [] if uuids is None else [uuid for uuid in uuids if uuid not in self.heard.entries]
        if listed or (uuids is None and not refreshDeletes):
            raise _CannotTell


def changes_since(
    server: LdapServer,
    dn: str,
    password: str,
    base_dn: str,
    filter_: str,
    attributes: Sequence[str],
    cookie: str | None,
) -> SyncChanges | None:
    """Return the changes in one branch since `cookie`; None if the server cannot tell them.

    Shape:   cookie None: nothing, and the cookie from which to ask later
    Raises:  TargetUnavailable, TargetRejected
    """
    consumer = connected(server, dn, password, _Consumer)
    try:
        number = consumer.syncrepl_search(
            base_dn,
            SCOPES["one"],
            mode="refreshOnly",
            cookie=cookie,
            filterstr=filter_ if cookie is not None else NOBODY,
            attrlist=list(attributes),
        )
        while consumer.syncrepl_poll(number, timeout=server.timeout_s):
            pass
    except _CannotTell:
        return None
    except ldap.LDAPError as exc:
        if cookie is not None and not isinstance(exc, CONNECTION_LOST) and _cannot_tell(exc):
            return None
        raise translated(exc, base_dn) from exc
    finally:
        with suppress(ldap.LDAPError):  # it was lost before
            consumer.unbind_s()
    heard = consumer.heard
    # A server without changes returns no cookie. An empty cookie means that it did not understand ours.
    after = cookie if heard.cookie is None else heard.cookie
    return SyncChanges(after, list(heard.entries.items()), list(heard.gone)) if after else None


def _cannot_tell(exc: ldap.LDAPError) -> bool:
    details: dict[str, Any] = exc.args[0] if exc.args and isinstance(exc.args[0], dict) else {}
    return details.get("result") in (CANNOT_TELL, UNWILLING)
