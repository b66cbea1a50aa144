"""Parts for tests over a real Keycloak: the target, entries that it accepts, and an administrator's hands."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from keycloak import KeycloakOpenID

from deploy.keycloak.private import PrivateKeycloak
from idp.people.identifiers import public_subject
from idp.people.values import PersonId
from idp.provisioning.targets.keycloak import KeycloakTarget, Settings
from idp.provisioning.values import Entry


def make_keycloak_target(keycloak: PrivateKeycloak, *, loads: bool = False, **settings: object) -> KeycloakTarget:
    """Return the target over a running Keycloak; with `loads` new users come by import."""
    given = {"enabled": True, "url": keycloak.url, "realm": keycloak.realm, "timeout_s": 30.0, **settings}
    load_secret = keycloak.secret("load") if loads else None
    return KeycloakTarget(Settings.model_validate(given), keycloak.secret("provisioning"), load_secret)


def keycloak_entry(person_id: str, uid: str, **changed: str | tuple[str, ...]) -> Entry:
    """Return an entry that a realm accepts."""
    attributes: dict[str, tuple[str, ...]] = {
        "displayName": ("Anna Nowak",),
        "firstName": ("Anna",),
        "lastName": ("Nowak",),
        "email": (f"{uid}@student.po.edu.pl",),
        "eduPersonAffiliation": ("member", "student"),
        "idpAlbum": ("12345",),
        "idpStatus": ("active",),
        "groups": ("member", "student"),
        "link": (public_subject(PersonId(person_id)),),
    }
    for name, value in changed.items():
        attributes[name] = (value,) if isinstance(value, str) else value
    return Entry(person_id, uid, attributes["idpStatus"] == ("active",), attributes)


class Hands:
    """Does in the realm what only its administrator may, behind the target's back."""

    def __init__(self, keycloak: PrivateKeycloak) -> None:
        self._keycloak = keycloak
        self.admin = keycloak.admin()

    def user(self, name: str) -> dict[str, Any]:
        """Return a user with attributes, link included.

        Raises:  LookupError
        """
        user_id = self.admin.get_user_id(name)
        if user_id is None:
            raise LookupError(name)
        return dict(self.admin.get_user(user_id))

    def take(self, name: str) -> None:
        """Make a user without our mark."""
        self.admin.create_user({"username": name, "enabled": True, "firstName": "Guest"})

    def meddle(self, name: str) -> None:
        """Give a user an attribute and a group that are not ours."""
        profile = self.admin.get_realm_users_profile()
        if all(each["name"] != "phone" for each in profile["attributes"]):
            profile["attributes"].append({"name": "phone", "permissions": {"view": ["admin"], "edit": ["admin"]}})
            self.admin.update_realm_users_profile(profile)
            self.admin.create_group({"name": "others"})
        self.change(name, {"phone": ["+48 1"]})
        self.admin.group_user_add(self.user(name)["id"], self.admin.get_group_by_path("/others")["id"])

    def is_meddled(self, name: str) -> bool:
        """Return whether the user still has both."""
        user = self.user(name)
        groups = [group["path"] for group in self.admin.get_user_groups(user["id"])]
        return user["attributes"].get("phone") == ["+48 1"] and "/others" in groups

    def change(self, name: str, attributes: Mapping[str, list[str]] | None = None, **fields: object) -> None:
        """Change some of a user's fields and attributes."""
        user = self.user(name)
        merged = {**user.get("attributes", {}), **(attributes or {})}
        self.admin.update_user(user["id"], {**user, **fields, "attributes": merged})

    def delete(self, name: str) -> None:
        """Remove a user."""
        self.admin.delete_user(self.user(name)["id"])

    def application(self, name: str) -> KeycloakOpenID:
        """Return a client of the realm that takes a name and a password, made where it is not there."""
        client = {"clientId": name, "publicClient": True, "directAccessGrantsEnabled": True}
        self.admin.create_client(client, skip_exists=True)
        return KeycloakOpenID(server_url=self._keycloak.url, realm_name=self._keycloak.realm, client_id=name)

    @contextmanager
    def enabled_client(self, name: str) -> Iterator[None]:
        """Enable a client for a while."""
        client_id = self.admin.get_client_id(name)
        assert client_id is not None
        self.admin.update_client(client_id, {"enabled": True})
        yield
        self.admin.update_client(client_id, {"enabled": False})

    @contextmanager
    def profile_without(self, *names: str) -> Iterator[None]:
        """Take attributes out of the user profile for a while."""
        profile = self.admin.get_realm_users_profile()
        kept = [each for each in profile["attributes"] if each["name"] not in names]
        self.admin.update_realm_users_profile({**profile, "attributes": kept})
        yield
        self.admin.update_realm_users_profile(profile)
