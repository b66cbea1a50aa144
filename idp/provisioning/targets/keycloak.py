"""Keycloak: one user per student, with groups by affiliation and the link by which our sign-in finds them.

The attribute catalogue (idp.people.catalogue) says which attributes a user has. Keycloak keeps no log of
changes that an account with the right to manage users may read. So what others changed is found by reading everybody.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from more_itertools import chunked
from pydantic import Field, model_validator

from idp.errors import Conflict, NotFound, TargetRejected
from idp.hosts import LOOPBACK
from idp.people.catalogue import named_in
from idp.people.directory import DirectorySettings
from idp.people.identifiers import public_subject
from idp.people.status import AFFILIATE, ALUM, MEMBER, STUDENT
from idp.people.values import PersonId
from idp.provisioning.settings import TargetSettings
from idp.provisioning.target import Stage
from idp.provisioning.values import Change, Entry, Kind, Outcome

if TYPE_CHECKING:
    from idp.drivers.keycloak import Realm

KIND = "keycloak"

GROUPS, LINK = "groups", "link"  # no attributes there: memberships, and the subject at the identity provider
BUILT_IN = ("firstName", "lastName", "email")  # fields of a user; what is neither is an attribute of ours
ATTRIBUTES: Mapping[str, str] = named_in("keycloak")
OWN = tuple(name for name in ATTRIBUTES if name not in (*BUILT_IN, GROUPS, LINK))

OWNER = "idpOwner"
# While it stands, a user was disabled and the sessions are perhaps not ended: such a user counts as still enabled, so
# that whoever was killed in between begins the whole change again.
UNFINISHED = "idpUnfinished"
AFFILIATIONS = (STUDENT, MEMBER, ALUM, AFFILIATE)

User = dict[str, Any]


class Settings(TargetSettings):
    """`[targets.keycloak]`: students as users of one realm, written by an account that may manage users alone."""

    enabled: Annotated[bool, "Students are written to Keycloak."] = False
    url: Annotated[str, "https://host[:port][/path]; plain http:// to this machine only."] = "http://127.0.0.1:8180"
    ca_file: Annotated[Path | None, "CA certificates (PEM) that the server's certificate is checked against."] = None
    realm: Annotated[str, "The realm whose users are students.", Field(min_length=1)] = "student"
    client_id: Annotated[str, "Client with a service account that has the role manage-users."] = "idp-provisioning"
    secret_file: Annotated[Path | None, "File with its secret."] = None
    load_client_id: Annotated[str, "Client that may import into the realm, enabled for a first load only."] = "idp-load"
    load_secret_file: Annotated[
        Path | None, "File with its secret: new users are then imported in batches. Unset after the load."
    ] = None
    # Keycloak checks everything in a transaction before each of its queries: 400 cost it 56 ms each, 20 cost 12 ms.
    load_batch: Annotated[int, "Users per import; more of them take longer each.", Field(ge=1, le=500)] = 25
    timeout_s: Annotated[float, "Seconds to wait for a connection, and for one answer.", Field(gt=0)] = 10.0
    parallel_writes: Annotated[int, "Users written at the same time.", Field(ge=1, le=64)] = 4
    page: Annotated[int, "Users read at once.", Field(ge=2, le=5000)] = 500
    owner: Annotated[
        str,
        "Mark in idpOwner of the users that this installation makes and alone writes; never change it.",
        Field(pattern=r"^[a-z0-9-]{1,32}$"),
    ] = "idp"
    identity_provider: Annotated[
        str, "Alias by which the realm knows our sign-in; users are linked to it in advance. Empty: no links."
    ] = "idp"
    groups: Annotated[
        str, "Path of the group whose subgroups student, member, alum and affiliate we fill. Empty: no groups."
    ] = "/idp"

    @model_validator(mode="after")
    def _secrets_never_travel_in_the_clear(self) -> Self:
        where = urlsplit(self.url)
        if where.scheme not in ("http", "https") or not where.hostname or where.query:
            raise ValueError("url: https://host[:port][/path]")
        if where.scheme == "http" and where.hostname not in LOOPBACK:
            raise ValueError("url: secrets would travel unencrypted; use https://")
        if self.groups and not self.groups.startswith("/"):
            raise ValueError("groups: a path such as /idp")
        return self


def open_target(
    settings: Settings, directory: DirectorySettings, secret: Callable[[str, Path | None], str]
) -> "KeycloakTarget":
    """Return the target; nothing is connected before the first use."""
    del directory  # every target is opened alike
    return KeycloakTarget(
        settings,
        secret("targets.keycloak.secret_file", settings.secret_file),
        secret("targets.keycloak.load_secret_file", load) if (load := settings.load_secret_file) else None,
    )


class KeycloakTarget:
    """A realm, as the account that writes its users."""

    kind = KIND
    stage = Stage.IDENTITY_PROVIDER
    entry_name = "uid"

    def __init__(self, settings: Settings, secret: str, load_secret: str | None = None) -> None:
        # Late: settings are read by every command, and the library takes a second to import.
        from idp.drivers.keycloak import FailedInside, KeycloakServer, Realm

        server = KeycloakServer(
            url=settings.url,
            realm=settings.realm,
            ca_file=settings.ca_file,
            timeout_s=settings.timeout_s,
            connections=settings.parallel_writes,
            page=settings.page,
        )
        self._settings = settings
        self._realm = Realm(server, settings.client_id, secret)
        self._loader = Realm(server, settings.load_client_id, load_secret) if load_secret else None
        self._failed_inside = FailedInside
        self._group_ids: Mapping[str, str] = {}
        self._is_declared = False

    @property
    def attributes(self) -> Mapping[str, str]:
        """What each managed attribute is made of; groups and links only where the settings have them."""
        left_out = {name for name, has in ((GROUPS, self._settings.groups), (LINK, self._alias)) if not has}
        return {name: fact for name, fact in ATTRIBUTES.items() if name not in left_out}

    # --- many ---

    def read(self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None) -> Iterator[Entry]:
        """Yield our users, all or these people's. Of everybody, a link is seen to be there, not to whom it leads.

        Shape:   two users with one person's mark: both, when all are read; of named people one
        """
        if person_ids is None:
            yield from self._read_all()
            return
        known = names or {}
        pairs = ((person_id, known.get(person_id, "")) for person_id in person_ids)
        found = self._realm.in_flight(lambda pair: self._read_person(*pair), pairs)
        yield from (entry for entry in found if entry is not None)

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        """Make changes, some at the same time; a repeat is harmless."""
        if self._loader is None:
            yield from self._realm.in_flight(self._attempt, changes)
            return
        for is_create, group in itertools.groupby(changes, key=lambda change: change.kind is Kind.CREATE):
            for some in chunked(group, self._settings.load_batch):
                yield from self._load(self._loader, some) if is_create else self._realm.in_flight(self._attempt, some)

    # --- one, at once ---

    def read_one(self, person_id: str, name: str) -> Entry | None:
        """Return one person's user."""
        entry = self._read_person(person_id, name)
        if entry is None and self._realm.find(name) is not None:
            raise TargetRejected(f"user {name} is there and is not ours")
        return entry

    def apply_one(self, change: Change) -> Outcome:
        """Make one change."""
        try:
            self._make(change)
        except (Conflict, NotFound) as exc:
            self._group_ids = {}  # a group may have been made anew
            raise TargetRejected(str(exc)) from exc
        return Outcome(change)

    def ping(self) -> None:
        """Return if the realm answers us."""
        self._realm.ping()

    def close(self) -> None:
        """Close the kept connections."""
        self._realm.close()
        if self._loader is not None:
            self._loader.close()

    # --- reading ---

    def _read_all(self) -> Iterator[Entry]:
        facts = self._facts_of_all()
        for user in self._realm.stream():
            if (person_id := self._person_id(user)) is not None:
                yield self._entry(person_id, user, facts.get(_key(user["id"]), frozenset()))

    def _facts_of_all(self) -> dict[bytes, frozenset[str]]:
        """Return by user whether a link is there, and the groups. Units: 16 bytes and a shared set each."""
        streams = {name: self._realm.stream_members(group_id) for name, group_id in self._groups().items()}
        if self._alias:
            streams[LINK] = self._realm.stream_linked(self._alias)
        facts: dict[bytes, frozenset[str]] = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        for name, user_ids in streams.items():
            for key in map(_key, user_ids):
                known = facts.get(key, frozenset()) | {name}
                facts[key] = shared.setdefault(known, known)
        return facts

    def _read_person(self, person_id: str, name: str) -> Entry | None:
        """Return one person's user, found by the link or by the name: a search by our mark scans all users."""
        linked = self._linked_to(person_id)
        user = self._ours_among(linked, person_id) or self._find_ours(person_id, name)
        if user is None:
            return None
        there = self._realm.groups_of(user["id"]) if self._settings.groups else []
        facts = {name for name, group_id in self._groups().items() if group_id in there}
        # The link counts if it leads to this user alone.
        return self._entry(
            person_id, user, facts | {LINK} if [each["id"] for each in linked] == [user["id"]] else facts
        )

    def _linked_to(self, person_id: str) -> list[User]:
        return self._realm.linked_users(self._alias, _subject(person_id)) if self._alias else []

    def _ours_among(self, users: Iterable[User], person_id: str) -> User | None:
        return next((user for user in users if self._person_id(user) == person_id), None)

    def _find_ours(self, person_id: str, name: str) -> User | None:
        """Return a person's user by its exact name; without a name, by our mark."""
        if not name:
            return next(iter(self._realm.find_by_attribute(OWNER, self._mark(person_id))), None)
        user = self._realm.find(name)
        return user if user is not None and self._person_id(user) == person_id else None

    def _entry(self, person_id: str, user: User, facts: Set[str]) -> Entry:
        attributes = {name: _values(user, name) for name in (*BUILT_IN, *OWN)}
        attributes[LINK] = (_subject(person_id),) if LINK in facts else ()
        attributes[GROUPS] = tuple(name for name in AFFILIATIONS if name in facts)
        return Entry(person_id, user["username"], _is_enabled(user), attributes)

    def _find(self, person_id: str, name: str) -> User | None:
        """Return a person's user, of this name or of another.

        Raises:  TargetRejected when the name is somebody else's
        """
        user = self._realm.find(name)
        if user is None:
            return self._ours_among(self._linked_to(person_id), person_id) or self._find_ours(person_id, "")
        if self._person_id(user) != person_id:
            raise TargetRejected(f"user {name} is there and is not ours")
        return user

    def _mark(self, person_id: str) -> str:
        return f"{self._settings.owner}:{person_id}"

    def _person_id(self, user: User) -> str | None:
        """Return whose user of ours this is; None: it is not ours."""
        marks = [mark for mark in _values(user, OWNER) if mark.startswith(self._mark(""))]
        return marks[0].removeprefix(self._mark("")) if marks else None

    @property
    def _alias(self) -> str:
        return self._settings.identity_provider

    def _groups(self) -> Mapping[str, str]:
        """Return the ids of our groups by affiliation; none where the settings have none."""
        if self._settings.groups and not self._group_ids:
            self._group_ids = {name: self._group_id(name) for name in AFFILIATIONS}
        return self._group_ids

    def _group_id(self, name: str) -> str:
        path = f"{self._settings.groups.rstrip('/')}/{name}"
        found = self._realm.group_id(path)
        if found is None:
            raise TargetRejected(f"the realm has no group {path}: make it, or change targets.keycloak.groups")
        return found

    # --- writing ---

    def _attempt(self, change: Change) -> Outcome:
        """Make one change among many; only a server that went away stops the others."""
        try:
            return self.apply_one(change)
        except (TargetRejected, self._failed_inside) as error:
            return Outcome(change, error)

    def _load(self, loader: "Realm", changes: Sequence[Change]) -> Iterator[Outcome]:
        """Import new users in one transaction; who was there before, or all if one is bad, are written one by one."""
        self._require_declared()
        wanted = [change.after for change in changes if change.after is not None]
        # An import links whomever it is told to; who is linked already is looked at closely, one by one.
        linked = self._realm.in_flight(self._may_be_linked, wanted)
        free = [self._new(entry) for entry, is_linked in zip(wanted, linked, strict=True) if not is_linked]
        try:
            made = loader.import_users(free) if free else set()
        except (TargetRejected, Conflict, self._failed_inside):
            made = set()
        others = self._realm.in_flight(self._attempt, (change for change in changes if change.name not in made))
        for change in changes:
            yield Outcome(change) if change.name in made else next(others)

    def _make(self, change: Change) -> None:
        before, after = change.before, change.after
        match before, after:
            case None, Entry():
                self._create(after)
            case Entry(), Entry():
                user = self._find(before.person_id, before.name)
                if user is None:
                    raise TargetRejected(f"user {before.name} is not there")
                self._bring(user, before, after)
            case Entry(), None:
                self._remove(before)

    def _create(self, after: Entry) -> None:
        self._require_declared()
        self._is_linked(after, None)
        self._groups()  # Keycloak answers an unknown path with 500
        try:
            self._realm.create(self._new(after))
        except Conflict:
            user = self._find(after.person_id, after.name)
            if user is None:  # the mail address is somebody else's
                raise
            self._bring(user, None, after)

    def _remove(self, before: Entry) -> None:
        user = self._find(before.person_id, before.name)
        if user is not None:
            self._realm.end_sessions(user["id"])  # a removal alone tells no application
            self._realm.delete(user["id"])

    def _bring(self, user: User, before: Entry | None, after: Entry) -> None:
        """Make a user as desired; groups and link are looked at where they change, or where nobody knows."""
        wanted = _filled(user, after, self._mark(after.person_id))
        if _is_enabled(user) and not after.enabled:
            # First the door, at once; then the sessions, for which Keycloak waits for every application.
            self._realm.replace(_shut(user))
            self._realm.end_sessions(user["id"])
            self._realm.replace(wanted)
        elif wanted != user:
            self._realm.replace(wanted)
        if self._settings.groups and _differ(before, after, GROUPS):
            groups = self._groups()
            mine = {groups[name] for name in after.attributes.get(GROUPS, ())}
            self._realm.regroup(user["id"], mine, groups.values())
        if self._alias and _differ(before, after, LINK):
            self._relink(user, after)

    def _relink(self, user: User, after: Entry) -> None:
        if not self._is_linked(after, user):
            for subject in after.attributes.get(LINK, ()):
                self._realm.link(user["id"], self._alias, subject, after.name)

    def _is_linked(self, after: Entry, user: User | None) -> bool:
        """Return whether a person's link is there.

        Raises:  TargetRejected when it leads to another user: Keycloak links two users to one subject without a word,
                 and sign-in then goes to either of them
        """
        subjects = after.attributes.get(LINK, ()) if self._alias else ()
        linked = [user_id for subject in subjects for user_id in self._realm.linked(self._alias, subject)]
        if linked and user is None:
            user = self._find(after.person_id, after.name)
        if any(user is None or user_id != user["id"] for user_id in linked):
            raise TargetRejected(f"another user is linked to the person of {after.name}: remove that link first")
        return bool(linked)

    def _may_be_linked(self, entry: Entry) -> bool:
        try:
            subjects = entry.attributes.get(LINK, ()) if self._alias else ()
            return any(self._realm.linked(self._alias, subject) for subject in subjects)
        except (TargetRejected, self._failed_inside):
            return True

    def _require_declared(self) -> None:
        """Raises:  TargetRejected when the realm would drop what we write, the mark as well"""
        if not self._is_declared:
            missing = {*BUILT_IN, *OWN, OWNER, UNFINISHED} - self._realm.declared_attributes()
            if missing:
                names = ", ".join(sorted(missing))
                raise TargetRejected(f"the realm's user profile lacks {names}: see deploy/keycloak/user-profile.json")
            self._is_declared = True

    def _new(self, entry: Entry) -> User:
        user = _filled({}, entry, self._mark(entry.person_id))
        if self._settings.groups:
            parent = self._settings.groups.rstrip("/")
            user["groups"] = [f"{parent}/{name}" for name in entry.attributes.get(GROUPS, ())]
        user["federatedIdentities"] = [
            {"identityProvider": self._alias, "userId": subject, "userName": entry.name}
            for subject in entry.attributes.get(LINK, ())
            if self._alias
        ]
        return user


def _subject(person_id: str) -> str:
    return public_subject(PersonId(person_id))


def _key(user_id: str) -> bytes:
    """Return an id in half its size; users of a federation have ids of another form."""
    try:
        return UUID(user_id).bytes
    except ValueError:
        return user_id.encode()


def _differ(before: Entry | None, after: Entry, name: str) -> bool:
    return before is None or before.attributes.get(name) != after.attributes.get(name)


def _values(user: User, name: str) -> tuple[str, ...]:
    if name in BUILT_IN:
        text = user.get(name)
        return (text,) if text else ()
    return tuple(user.get("attributes", {}).get(name, ()))


def _is_enabled(user: User) -> bool:
    return bool(user.get("enabled")) or bool(_values(user, UNFINISHED))


def _shut(user: User) -> User:
    """Return a user who may not come in, marked as one whose sessions are still to be ended."""
    return {**user, "enabled": False, "attributes": {**user.get("attributes", {}), UNFINISHED: ["sessions"]}}


def _filled(user: User, entry: Entry, mark: str) -> User:
    """Return a user with an entry's values; whatever else the user has stays.

    Shape:   ({"attributes": {"phone": ["1"]}}, entry, "idp:0a1b") -> {"attributes": {"phone": ["1"], …}, …}
    """
    managed = {name: list(values) for name, values in entry.attributes.items() if name in OWN}
    others = {name: values for name, values in user.get("attributes", {}).items() if name not in (*OWN, UNFINISHED)}
    built_in = {name: entry.attributes[name][0] for name in BUILT_IN if entry.attributes.get(name)}
    return {
        **{name: value for name, value in user.items() if name not in BUILT_IN},
        **built_in,
        "username": entry.name,
        "enabled": entry.enabled,
        "emailVerified": "email" in built_in,
        "attributes": {**others, **managed, OWNER: [mark]},
    }
