"""LDAP: one entry per person under ou=people, with the attributes of the catalogue (idp.people.catalogue)."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from more_itertools import chunked
from pydantic import Field, field_validator

from idp.drivers.ldap_values import (
    LOCKED,
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
    any_of,
    branch_filters,
    equals,
    ldap_entry,
    rdn,
    split_dn,
)
from idp.drivers.ldif import as_ldif
from idp.errors import Conflict, IdpError, NotFound, TargetRejected, TargetUnavailable
from idp.people.catalogue import BY_KEY, named_in
from idp.people.directory import DirectorySettings
from idp.provisioning.settings import TargetSettings
from idp.provisioning.target import ObservedChange, ObservedChanges, Stage
from idp.provisioning.values import Change, Entry, Outcome, digest_of

if TYPE_CHECKING:
    from idp.drivers.ldap_bulk import BulkLdap
    from idp.drivers.ldap_sync import SyncChanges

KIND = "ldap"

CLASSES = (
    "eduPerson",
    "idpPerson",
    "inetLocalMailRecipient",
    "inetOrgPerson",
    "schacContactLocation",
    "schacLinkageIdentifiers",
)
ATTRIBUTES: Mapping[str, str | tuple[str, ...]] = {"objectClass": CLASSES, **named_in("ldap")}
ACTIVE = "active"  # the idpStatus with which the account and its mail work
# "Locked for good"; a time would mean "until an administrator unlocks". Written, never read (docs/domain.md).
LOCK = Replace(LOCKED, ("000001010000Z",))
UNLOCK = Replace(LOCKED, ())
READ = (*ATTRIBUTES, "idpOwner")
_READ = frozenset(READ)
_ACTIVE = [ACTIVE.encode()]
READ_AT_ONCE = 200  # people per filter


class Settings(TargetSettings):
    """`[targets.ldap]`: people's entries in the directory of `[directory]`."""

    owner: Annotated[
        str,
        "Mark in idpOwner of the entries that this installation makes and alone writes; never change it.",
        Field(pattern=r"^[a-z0-9-]{1,32}$"),
    ] = "idp"
    in_flight: Annotated[int, "Writes sent without waiting for the answer.", Field(ge=1, le=1000)] = 64
    timeout_s: Annotated[float, "Seconds to wait for one answer in a run.", Field(gt=0)] = 30.0
    drift: Annotated[
        dict[str, Literal["repair", "report", "adopt"]],
        "What becomes of a value that somebody else wrote, by attribute; repair where nothing is said.",
    ] = {}

    @field_validator("drift")
    @classmethod
    def _may_be_left(cls, drift: dict[str, str]) -> dict[str, str]:
        """Who may sign in, and what an entry is, is never left to whoever may write to the directory."""
        may_be = {name for name, key in ATTRIBUTES.items() if isinstance(key, str) and not BY_KEY[key].follows_access}
        if wrong := sorted(set(drift) - may_be):
            raise ValueError(f"not an attribute of ours that may be left as found: {', '.join(wrong)}")
        return drift


def open_target(
    settings: Settings, directory: DirectorySettings, secret: Callable[[str, Path | None], str]
) -> "LdapTarget":
    """Return the target; nothing is connected before the first use."""
    password = secret("directory.provisioning_password_file", directory.provisioning_password_file)
    return LdapTarget(settings, directory, password)


class LdapTarget:
    """The directory, as the account that writes people's entries and no passwords."""

    kind = KIND
    stage = Stage.DIRECTORY
    entry_name = "uid"
    attributes = ATTRIBUTES

    def __init__(self, settings: Settings, directory: DirectorySettings, password: str) -> None:
        self._settings = settings
        self._directory = directory
        self._password = password
        account = directory.provisioning_dn
        # Late: settings are read by every command, and ldap3 alone takes most of a second to import.
        from idp.drivers.ldap import Directory

        self._single = Directory(self._server(directory.timeout_s), account, password, directory.pool_size)

    # --- many ---

    def read(self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None) -> Iterator[Entry]:
        """Yield our entries, all or these people's, over a connection of its own."""
        del names  # the directory has an index on our mark
        with self._bulk() as bulk:
            yield from self._read(bulk, person_ids)

    def digests(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) of all our entries, as those of `read` are."""
        suffix = f",{self._directory.people_dn}"
        mark = self._mark("").encode()
        with self._bulk() as bulk, closing(bulk.stream_raw(suffix[1:], "(idpOwner=*)", READ)) as found:
            for dn, values in found:
                plain = _plain_digest(dn, values, suffix, mark)
                if plain is not None:
                    yield plain
                elif self._is_ours(entry := ldap_entry(dn, values)):
                    odd = self._entry(entry)
                    yield odd.person_id, odd.digest

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        """Make changes, many in flight; a repeat is harmless."""
        with self._bulk() as bulk:
            for is_rename, group in itertools.groupby(changes, key=_is_two_writes):
                write = self._one_by_one if is_rename else self._many
                yield from write(bulk, group)

    # --- what others did ---

    @property
    def drift(self) -> Mapping[str, str]:
        """What becomes of others' values, by attribute."""
        return self._settings.drift

    def cursor_now(self) -> str:
        """Return the directory's syncrepl cookie, without reading anybody."""
        changes = self._changes(None)
        if changes is None:
            raise TargetRejected("the directory gives no syncrepl cookie: does it load the overlay syncprov?")
        return changes.cookie

    def changes_since(self, cursor: str) -> ObservedChanges | None:
        """Return what was made, changed or deleted since `cursor`, as the overlay syncprov tells it."""
        changes = self._changes(cursor)
        if changes is None:
            return None
        ours = [(uuid, found) for uuid, found in changes.entries if self._is_ours(found)]
        me = self._directory.provisioning_dn.lower()
        seen = [
            ObservedChange(
                uuid, self._entry(found), by_others=[each.lower() for each in found.values("modifiersName")] != [me]
            )
            for uuid, found in ours
        ]
        known = {uuid for uuid, _ in ours}
        left = [uuid for uuid, _ in changes.entries if uuid not in known]  # it carries another installation's mark now
        return ObservedChanges(changes.cookie, seen, [*changes.gone, *left])

    def remote_ids(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, entryUUID) of all our entries."""
        names = ("idpOwner", "entryUUID")
        with self._bulk() as bulk, closing(bulk.stream(self._directory.people_dn, "(idpOwner=*)", names)) as found:
            for entry in found:
                if self._is_ours(entry):
                    yield entry.values("idpOwner")[0].removeprefix(self._mark("")), entry.values("entryUUID")[0]

    def _changes(self, cookie: str | None) -> "SyncChanges | None":
        from idp.drivers.ldap_sync import changes_since  # late, as `_bulk` does

        server, directory = self._server(self._settings.timeout_s), self._directory
        names = (*READ, "modifiersName")
        account = (directory.provisioning_dn, self._password)
        return changes_since(server, *account, directory.people_dn, "(idpOwner=*)", names, cookie)

    # --- one, at once ---

    def read_one(self, person_id: str, name: str) -> Entry | None:
        """Return one person's entry over a kept connection."""
        found = self._single.read(self._dn(name), READ)
        if found is None:
            return None
        if found.values("idpOwner") != (self._mark(person_id),):
            raise TargetRejected(f"{found.dn} is there and is not ours")
        return self._entry(found)

    def apply_one(self, change: Change) -> Outcome:
        """Make one change over a kept connection."""
        try:
            for write in self._writes(change):
                self._single.write(write)
        except (Conflict, NotFound, TargetRejected) as exc:
            if self.read_one(change.person_id, change.name) != change.after:
                raise TargetRejected(str(exc)) from exc
        return Outcome(change)

    def ping(self) -> None:
        """Return if the directory answers us."""
        self._single.ping()

    def close(self) -> None:
        """Close the kept connections."""
        self._single.close()

    # --- reading ---

    def _read(self, bulk: "BulkLdap", person_ids: Sequence[str] | None) -> Iterator[Entry]:
        for filter_ in self._filters(person_ids):
            for found in bulk.stream(self._directory.people_dn, filter_, READ):
                if self._is_ours(found):
                    yield self._entry(found)

    def _filters(self, person_ids: Sequence[str] | None) -> Iterator[str]:
        if person_ids is None:
            yield "(idpOwner=*)"
            return
        for some in chunked(person_ids, READ_AT_ONCE):
            yield any_of([equals("idpOwner", self._mark(person_id)) for person_id in some])

    def _mark(self, person_id: str) -> str:
        return _mark(person_id, self._settings.owner)

    def _is_ours(self, found: LdapEntry) -> bool:
        return any(mark.startswith(self._mark("")) for mark in found.values("idpOwner"))

    def _entry(self, found: LdapEntry) -> Entry:
        attributes = {name: found.values(name) for name in ATTRIBUTES}
        # Others may give our entries classes of their own: we look at ours alone.
        classes = {each.lower() for each in found.values("objectClass")}
        attributes["objectClass"] = tuple(each for each in CLASSES if each.lower() in classes)
        return Entry(
            person_id=found.values("idpOwner")[0].removeprefix(self._mark("")),
            name=_name_in(found.dn),
            enabled=found.values("idpStatus") == (ACTIVE,),
            attributes=attributes,
        )

    # --- writing ---

    def _many(self, bulk: "BulkLdap", changes: Iterable[Change]) -> Iterator[Outcome]:
        waiting: deque[Change] = deque()

        def writes() -> Iterator[Write]:
            for change in changes:
                (write,) = self._writes(change)
                waiting.append(change)
                yield write

        for answer in bulk.write(writes()):
            change = waiting.popleft()
            yield Outcome(change, self._settled(bulk, change, answer.error))

    def _one_by_one(self, bulk: "BulkLdap", changes: Iterable[Change]) -> Iterator[Outcome]:
        """A server may do writes in flight in any order; two of one entry must not be."""
        for change in changes:
            yield Outcome(change, self._settled(bulk, change, bulk.write_in_turn(self._writes(change))))

    def _settled(self, bulk: "BulkLdap", change: Change, error: IdpError | None) -> IdpError | None:
        """Return what is left of an error: a write that was done before, its answer lost, is no error."""
        if error is None or isinstance(error, TargetUnavailable):
            return error
        found = next(self._read(bulk, [change.person_id]), None)
        # A delete that was refused, unlike one that found nothing, met an entry that is not ours.
        is_refused_delete = change.after is None and isinstance(error, TargetRejected)
        if found == change.after and not is_refused_delete:
            return None
        if found == change.before and isinstance(error, TargetRejected):
            # What it was refused for, such as another entry's address, may have been given up by a write beside it.
            error = bulk.write_in_turn(self._writes(change))
            if error is None or isinstance(error, TargetUnavailable):
                return error
        if found is None or change.after is None or isinstance(error, TargetRejected):
            return TargetRejected(str(error))
        return bulk.write_in_turn(self._writes(Change.update(found, change.after)))

    def _writes(self, change: Change) -> Iterator[Write]:
        """Yield the writes of one change; in order, where there are two."""
        before, after = change.before, change.after
        only_if = only_of(change.person_id, self._settings.owner, self._directory.people_dn)
        match before, after:
            case None, Entry():
                yield self._creation(after)
            case Entry(), None:
                yield Delete(self._dn(before.name), only_if)
            case Entry(), Entry():
                if before.name != after.name:
                    yield Rename(self._dn(before.name), _rdn(after.name), only_if)
                if modifications := _modifications(before, after):
                    yield Modify(self._dn(after.name), modifications, only_if)

    def ldif(self, entry: Entry) -> str:
        """Return an entry, as a create would make it, in the words of LDAP's own tools."""
        return as_ldif(self._creation(entry))

    def _creation(self, entry: Entry) -> Add:
        return Add(self._dn(entry.name), self._all_attributes(entry))

    def _all_attributes(self, entry: Entry) -> dict[str, Sequence[str]]:
        attributes: dict[str, Sequence[str]] = {"uid": (entry.name,), **entry.attributes}
        attributes["idpOwner"] = (self._mark(entry.person_id),)
        if not entry.enabled:
            attributes[LOCK.name] = LOCK.values
        return attributes

    def _dn(self, name: str) -> str:
        return f"{_rdn(name)},{self._directory.people_dn}"

    def _server(self, timeout_s: float) -> LdapServer:
        return LdapServer(self._directory.url, self._directory.ca_file, self._directory.start_tls, timeout_s)

    def _bulk(self) -> "BulkLdap":
        # Late, as ldap3 above: python-ldap brings pyasn1, and `idp status` asks one question.
        from idp.drivers.ldap_bulk import BulkLdap

        server = self._server(self._settings.timeout_s)
        return BulkLdap(server, self._directory.provisioning_dn, self._password, self._settings.in_flight)


def only_of(person_id: str, owner: str, people_dn: str) -> str:
    """Return the filter for `only_if` that, of all entries of the branch, matches this person's alone.

    Between our reading and our writing another system may have put its entry at the same name: only the server can
    compare and write in one.
    """
    # No student's entry has the branch's names. slapd before 2.6 asks an assertion again of the entry where its overlay
    # `unique` begins to search, and refuses every new address and name where it does not hold there (docs/domain.md).
    return any_of([equals("idpOwner", _mark(person_id, owner)), *branch_filters(people_dn)])


def _mark(person_id: str, owner: str) -> str:
    return f"{owner}:{person_id}"


def _is_two_writes(change: Change) -> bool:
    return change.before is not None and change.after is not None and change.before.name != change.after.name


def _modifications(before: Entry, after: Entry) -> list[Modification]:
    found: list[Modification] = []
    for name in ATTRIBUTES:
        was, wanted = before.attributes.get(name, ()), after.attributes.get(name, ())
        if was == wanted:
            continue
        if name == "objectClass":  # never replaced: classes that others added stay
            found.append(AddValues(name, [each for each in wanted if each not in was]))
        else:
            found.append(Replace(name, wanted))
    if not after.enabled:
        status = after.attributes.get("idpStatus", ())
        if not before.enabled and status and status == before.attributes.get("idpStatus"):
            # Taken away and given again: if somebody has opened the entry meanwhile, the server refuses all of this,
            # and the lock, which nobody reads, does not fall on an open entry.
            found += [RemoveValues("idpStatus", status), AddValues("idpStatus", status)]
        found.append(LOCK)
    elif not before.enabled:
        found.append(UNLOCK)
    return found


_PLAIN = (*sorted(ATTRIBUTES),)
_PLAIN_CLASSES = [each.encode() for each in CLASSES]


def _plain_digest(dn: str, values: dict[str, list[bytes]], suffix: str, mark: bytes) -> tuple[str, str] | None:
    """Return (person_id, digest) of an entry of ours as we write them, without taking its text apart.

    None for one with anything unusual about it, which must be looked at closely: names in another spelling, classes of
    others, a DN that needs care.
    """
    name = dn[4 : -len(suffix)]
    owners = values.get("idpOwner", ())
    if dn[:4] != "uid=" or dn[-len(suffix) :] != suffix or not name.isalnum() or len(owners) != 1:
        return None
    classes = values.get("objectClass")
    if classes is None or not owners[0].startswith(mark) or not values.keys() <= _READ or len(classes) != len(CLASSES):
        return None
    if classes != _PLAIN_CLASSES:
        classes.sort()
        if classes != _PLAIN_CLASSES:
            return None
    attributes = []
    for attribute in _PLAIN:
        found = values.get(attribute)
        if found:
            if len(found) > 1:
                found.sort()
            attributes.append((attribute, found))
    is_enabled = values.get("idpStatus") == _ACTIVE
    return owners[0][len(mark) :].decode(), digest_of(name, is_enabled, attributes)


def _rdn(name: str) -> str:
    if name.isascii() and name.isalnum():
        return f"uid={name}"  # as every uid of ours is; nothing in it needs an escape
    return name if "=" in name else rdn("uid", name)


def _name_in(dn: str) -> str:
    """Return the uid in an entry's own name, or that name whole where somebody gave it another form.

    Shape:   "uid=u7kq2m9xa,ou=people,…" -> "u7kq2m9xa"; "cn=Anna Nowak,ou=people,…" -> "cn=Anna Nowak"
    """
    first = split_dn(dn)[0]
    attribute, _, value = first.partition("=")
    return value if attribute.lower() == "uid" and value.isalnum() else first
