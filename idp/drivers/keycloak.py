"""One realm of a Keycloak server, used with one service account: users, groups and links (python-keycloak).

Threads share it. Every request has a time limit. Only a request whose token was refused is sent again. A user is a
plain dictionary, Keycloak's UserRepresentation. Write it back whole: Keycloak removes what is missing.
"""

import http
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from idp.errors import ConfigError, Conflict, NotFound, TargetRejected, TargetUnavailable

try:
    from keycloak import KeycloakAdmin, KeycloakOpenIDConnection
    from keycloak.exceptions import KeycloakConnectionError, KeycloakError
except ModuleNotFoundError as missing:
    raise ConfigError(
        "[targets.keycloak] needs the optional part `keycloak`: run `scripts/venv runtime-keycloak`."
    ) from missing

User = dict[str, Any]
Page = list[User]
Thing = TypeVar("Thing")
Result = TypeVar("Result")

# These mean "try later". Keycloak answers 503 while it starts and stops; a proxy answers with the others.
TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
TOKEN_LIFE_USED = 0.75  # before the library renews it at 0.9, in all threads at once
MOST_GROUPS = 1000  # of one user


class FailedInside(TargetUnavailable):
    """Keycloak answered 500: something is wrong there, or with this request. Other requests may succeed."""


@dataclass(frozen=True, slots=True)
class KeycloakServer:
    """One realm and how to reach it."""

    url: str
    realm: str
    ca_file: Path | None = None
    timeout_s: float = 10.0  # for a connection, and for each wait for an answer
    connections: int = 8
    page: int = 500  # users asked for at once


class Realm:
    """A realm, as a client with a service account."""

    def __init__(self, server: KeycloakServer, client_id: str, secret: str) -> None:
        self._server = server
        self._client_id = client_id
        self._secret = secret
        self._lock = threading.Lock()
        self._open: KeycloakAdmin | None = None
        self._renew_at = 0.0

    # --- users ---

    def find(self, username: str) -> User | None:
        """Return the user of exactly this name, with attributes.

        Raises:  TargetUnavailable, TargetRejected, here and in every method
        """
        found = self._users(username=username, exact="true")
        return next((user for user in found if user["username"] == username.lower()), None)

    def find_by_attribute(self, name: str, value: str) -> list[User]:
        """Return the users who have this value of an attribute, with attributes. Keycloak scans all users for it."""
        # Quoted, because the search splits at spaces and colons. Neither side may contain a quotation mark.
        if '"' in name + value:
            raise ValueError("a quotation mark cannot be searched for")
        found = self._users(q=f'"{name}":"{value}"')
        return [user for user in found if value in user.get("attributes", {}).get(name, ())]

    def create(self, user: User) -> str:
        """Make a user, with groups by path and links, and return the id that Keycloak gave.

        Raises:  Conflict when the name or the mail address is taken
        """
        with self._admin("create a user") as admin:
            return admin.create_user(user)

    def replace(self, user: User) -> None:
        """Write a whole user. Keycloak removes what is missing in it.

        Raises:  NotFound, Conflict when the name or the mail address is taken
        """
        with self._admin("write a user") as admin:
            admin.update_user(user["id"], user)

    def delete(self, user_id: str) -> None:
        """Remove a user. Call `end_sessions` before: only that tells applications.

        Raises:  NotFound
        """
        with self._admin("remove a user") as admin:
            admin.delete_user(user_id)

    def end_sessions(self, user_id: str) -> None:
        """Sign a user out everywhere and tell the applications; Keycloak waits for each of them.

        Raises:  NotFound
        """
        with self._admin("end a user's sessions") as admin:
            admin.user_logout(user_id)

    def stream(self) -> Iterator[User]:
        """Yield every user with attributes, sorted by name. At most two pages are in memory."""
        yield from in_pages(lambda first, most: self._users(first=first, max=most), self._server.page)

    # --- links and groups ---

    def linked(self, alias: str, subject: str) -> list[str]:
        """Return the ids of the users linked to a subject at an identity provider. There should be one."""
        return [user["id"] for user in self._users(brief=True, idpAlias=alias, idpUserId=subject)]

    def linked_users(self, alias: str, subject: str) -> list[User]:
        """Return the users who are linked to a subject, with attributes. Keycloak has an index on subjects."""
        return self._users(idpAlias=alias, idpUserId=subject)

    def stream_linked(self, alias: str) -> Iterator[str]:
        """Yield the id of every user who has a link to an identity provider."""

        def page(first: int, most: int) -> Page:
            return self._users(brief=True, idpAlias=alias, first=first, max=most)

        yield from (user["id"] for user in in_pages(page, self._server.page))

    def link(self, user_id: str, alias: str, subject: str, name: str) -> None:
        """Link a user to a subject, and remove the link to another subject. Keycloak lets two users share a subject."""
        with self._admin("link a user") as admin:
            try:
                admin.add_user_social_login(user_id, alias, subject, name)
            except KeycloakError as error:
                if error.response_code != http.HTTPStatus.CONFLICT:
                    raise
                admin.delete_user_social_login(user_id, alias)
                admin.add_user_social_login(user_id, alias, subject, name)

    def group_id(self, path: str) -> str | None:
        """Return the id of the group at a path such as `/idp/student`, or None."""
        try:
            with self._admin("find a group") as admin:
                found: dict[str, str] = admin.get_group_by_path(path)
        except NotFound:
            return None
        return found["id"]

    def groups_of(self, user_id: str) -> list[str]:
        """Return the ids of the groups that a user is directly in.

        Raises:  NotFound
        """
        with self._admin("read a user's groups") as admin:
            return [group["id"] for group in admin.get_user_groups(user_id, {"first": 0, "max": MOST_GROUPS})]

    def stream_members(self, group_id: str) -> Iterator[str]:
        """Yield the id of every user of a group."""

        def page(first: int, most: int) -> Page:
            with self._admin("read a group") as admin:
                query = {"first": first, "max": most, "briefRepresentation": "true"}
                return list(admin.get_group_members(group_id, query))

        yield from (user["id"] for user in in_pages(page, self._server.page))

    def join(self, user_id: str, group_id: str) -> None:
        """Put a user into a group; a repeat is harmless."""
        with self._admin("put a user into a group") as admin:
            admin.group_user_add(user_id, group_id)

    def leave(self, user_id: str, group_id: str) -> None:
        """Take a user out of a group; a repeat is harmless."""
        with self._admin("take a user out of a group") as admin:
            admin.group_user_remove(user_id, group_id)

    def regroup(self, user_id: str, wanted: Collection[str], among: Iterable[str]) -> None:
        """Have a user in exactly the wanted ones among some groups; memberships in any others stay.

        Raises:  NotFound
        """
        there = self.groups_of(user_id)
        for group_id in among:
            if group_id in wanted and group_id not in there:
                self.join(user_id, group_id)
            elif group_id not in wanted and group_id in there:
                self.leave(user_id, group_id)

    # --- the realm ---

    def import_users(self, users: Sequence[User]) -> set[str]:
        """Create many users in one transaction and return the names of those created. The others existed.

        Raises:  FailedInside if one user is bad: then none was created
        """
        with self._admin("import users") as admin:
            payload = {"ifResourceExists": "SKIP", "users": list(users)}
            answer = admin.partial_import_realm(self._server.realm, payload)
        return {each["resourceName"] for each in answer["results"] if each["action"] == "ADDED"}

    def declared_attributes(self) -> set[str]:
        """Return the attributes of the realm's user profile. Keycloak silently drops all others."""
        with self._admin("read the user profile") as admin:
            return {each["name"] for each in admin.get_realm_users_profile()["attributes"]}

    def ping(self) -> None:
        """Return if the server answers us and knows our account."""
        self._users(brief=True, first=0, max=1)

    def close(self) -> None:
        """Close kept connections; a closed realm can be used again."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            _session(opened.connection).close()
            _session(opened.connection.keycloak_openid.connection).close()

    def in_flight(self, function: Callable[[Thing], Result], things: Iterable[Thing]) -> Iterator[Result]:
        """Yield a function's results in order, as many in the making as the realm has connections.

        Raises:  the first error; what was not begun by then is not begun
        """
        most = self._server.connections
        waiting: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(most) as pool:
            try:
                for thing in things:
                    waiting.append(pool.submit(function, thing))
                    if len(waiting) >= 2 * most:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    # --- requests ---

    def _users(self, *, brief: bool = False, **query: str | int) -> Page:
        # With both bounds, the library sends one request and collects no pages itself.
        bounds: dict[str, str | int] = {"first": 0, "max": self._server.page, "briefRepresentation": str(brief).lower()}
        with self._admin("read users") as admin:
            return list(admin.get_users({**bounds, **query}))

    @contextmanager
    def _admin(self, what: str) -> Iterator[KeycloakAdmin]:
        """Yield the client with a valid token, and translate its errors."""
        admin = self._with_token()
        try:
            yield admin
        except KeycloakConnectionError as exc:
            raise TargetUnavailable(f"{self._server.url}: {_cause(exc)}") from exc
        except KeycloakError as exc:
            raise _error(exc, what) from exc
        except (TypeError, KeyError) as exc:  # raised by the library for an answer of another shape
            raise TargetUnavailable(f"{self._server.url} does not answer as Keycloak does") from exc

    def _with_token(self) -> KeycloakAdmin:
        with self._lock:
            admin = self._open = self._open or self._connect()
            if time.monotonic() >= self._renew_at:
                lives_s = self._take_token(admin)
                self._renew_at = time.monotonic() + TOKEN_LIFE_USED * lives_s
            return admin

    def _take_token(self, admin: KeycloakAdmin) -> float:
        """Effect: the client has a token of our account. Returns the seconds that it lives."""
        try:
            admin.connection.get_token()
        except KeycloakConnectionError as exc:
            raise TargetUnavailable(f"{self._server.url}: {_cause(exc)}") from exc
        except (TypeError, KeyError) as exc:
            raise TargetUnavailable(f"{self._server.url} does not answer as Keycloak does") from exc
        except KeycloakError as exc:
            # An operator must repair all of these: a wrong secret, a disabled client, a missing realm.
            raise TargetUnavailable(
                f"realm {self._server.realm} refuses our account {self._client_id} ({exc.response_code}): check that"
                " the realm has it, that it is enabled, and its secret file"
            ) from exc
        return float((admin.connection.token or {}).get("expires_in", 0))

    def _connect(self) -> KeycloakAdmin:
        ca_file = self._server.ca_file
        connection = KeycloakOpenIDConnection(
            server_url=self._server.url.rstrip("/") + "/",  # a path before the realms stays only with its slash
            realm_name=self._server.realm,
            client_id=self._client_id,
            client_secret_key=self._secret,
            verify=True if ca_file is None else str(ca_file),
            timeout=self._server.timeout_s,  # type: ignore[arg-type] # typed int; goes to requests as it is
            max_retries=0,  # the library would send a POST twice
            pool_maxsize=self._server.connections,
        )
        self._renew_at = 0.0
        for session in (_session(connection), _session(connection.keycloak_openid.connection)):
            session.trust_env = False  # no proxy, .netrc or CA file from the environment
            session.max_redirects = 0  # the token is for this server and no other
        return KeycloakAdmin(connection=connection)


def in_pages(fetch: Callable[[int, int], Page], size: int) -> Iterator[User]:
    """Yield every item of a sorted listing that others may change meanwhile.

    Pages are read by number. If an earlier item is removed, later items move to an earlier page and would be missed.
    So neighbouring pages overlap by one item. If the overlap is gone, we go back.

    Shape:   fetch(first, most) -> at most so many, from that number on
    Raises:  TargetUnavailable when it moves faster than it can be read
    """
    first, known, goes_back = 0, frozenset[str](), True
    while True:
        page = fetch(first, size)
        places = [number for number, user in enumerate(page) if user["id"] in known]
        if known and not places:  # look for the page before, to the beginning and then to the end
            goes_back = goes_back and first > 0
            if not goes_back and len(page) < size:
                raise TargetUnavailable("the users changed while they were read")
            first = max(0, first - size) if goes_back else first + size - 1
            continue
        goes_back = True
        fresh = page[places[-1] + 1 :] if places else page
        yield from fresh
        if len(page) < size:
            return
        if fresh:
            known = frozenset(user["id"] for user in page)
        first += size - 1


def _error(error: KeycloakError, what: str) -> Exception:
    """Return our error for an answer. Its text names what was refused, never what was sent."""
    code = error.response_code or 0
    said = f"Keycloak refused to {what} ({code}): {_said(error)}"
    if code in TRANSIENT:
        return TargetUnavailable(said)
    if code == http.HTTPStatus.UNAUTHORIZED:
        return TargetUnavailable(f"{said}: our token does not count")
    if code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailedInside(said)
    if code == http.HTTPStatus.NOT_FOUND:
        return NotFound(said)
    if code == http.HTTPStatus.CONFLICT:
        return Conflict(said)
    return TargetRejected(said)


def _said(error: KeycloakError) -> str:
    """Return Keycloak's own words: the field and the reason, without parameters that may repeat a value.

    Shape:   {"field":"email","errorMessage":"error-invalid-email","params":[…]} -> "email: error-invalid-email"
    """
    try:
        body = json.loads(error.response_body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "no reason given"
    words = (body.get("field"), body.get("errorMessage") or body.get("error"))
    return ": ".join(str(word)[:200] for word in words if word) or "no reason given"


def _cause(error: KeycloakConnectionError) -> str:
    """Return the kind of failure. The text of its cause would repeat addresses with people's names."""
    return type(error.__cause__ or error).__name__


def _session(connection: Any) -> Any:
    return connection._s  # the library has no other way to its session
