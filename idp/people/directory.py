"""`[directory]`: where the LDAP directory is, who we are to it, and where in it people stand."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from idp.hosts import LOOPBACK
from idp.settings import Section


class DirectorySettings(Section):
    """`[directory]`: one server, and an account of least right for each task."""

    url: Annotated[str, "ldap://host:port or ldaps://host:port. Plain ldap:// to another machine needs start_tls."] = (
        "ldap://127.0.0.1:389"
    )
    ca_file: Annotated[Path | None, "CA certificates (PEM) that the server's certificate is checked against."] = None
    start_tls: Annotated[bool, "Switch to TLS by StartTLS before anything is sent."] = False
    base_dn: Annotated[str, "Where our part of the directory begins.", Field(min_length=3)] = "dc=po,dc=edu,dc=pl"
    timeout_s: Annotated[float, "Seconds to wait for a connection, and for one answer.", Field(gt=0)] = 2.0
    pool_size: Annotated[int, "Connections kept open per account and process.", Field(ge=1)] = 8
    signin_dn: Annotated[str, "Account that asks who a person is."] = "cn=signin,ou=services,dc=po,dc=edu,dc=pl"
    signin_password_file: Annotated[Path | None, "File with its password."] = None
    provisioning_dn: Annotated[str, "Account that writes people's entries, never passwords."] = (
        "cn=provisioning,ou=services,dc=po,dc=edu,dc=pl"
    )
    provisioning_password_file: Annotated[Path | None, "File with its password."] = None
    accounts_dn: Annotated[str, "Account that sets passwords."] = "cn=accounts,ou=services,dc=po,dc=edu,dc=pl"
    accounts_password_file: Annotated[Path | None, "File with its password."] = None
    decoy_dn: Annotated[str, "Entry whose password nobody knows: binding to it refuses at the usual cost."] = (
        "cn=decoy,ou=services,dc=po,dc=edu,dc=pl"
    )

    @model_validator(mode="after")
    def _passwords_never_travel_in_the_clear(self) -> Self:
        where = urlsplit(self.url)
        if where.scheme not in ("ldap", "ldaps") or not where.hostname or where.path.strip("/"):
            raise ValueError("url: ldap://host:port or ldaps://host:port")
        if where.scheme == "ldaps" and self.start_tls:
            raise ValueError("start_tls: ldaps:// is encrypted from the start; leave it off")
        if where.scheme == "ldap" and not self.start_tls and where.hostname not in LOOPBACK:
            raise ValueError("url: passwords would travel unencrypted; use ldaps://, or start_tls")
        return self

    @property
    def people_dn(self) -> str:
        """The branch of people: students and staff."""
        return f"ou=people,{self.base_dn}"

    def person_dn(self, uid: str) -> str:
        """Return a person's DN. A uid is `u` and 8 of [a-z2-9], so nothing needs escaping."""
        return f"uid={_plain(uid)},{self.people_dn}"


def _plain(uid: str) -> str:
    # Not an escape but a wall: whatever reaches a DN here has passed the rules for a uid.
    if not uid.isascii() or not uid.isalnum():
        raise ValueError("not a uid")
    return uid
