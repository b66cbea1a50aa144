"""Parts for tests of provisioning: people in the store, the LDAP target over a real slapd, and its eyes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import SimpleNamespace
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select, union, update

from deploy.openldap.private import PrivateSlapd
from idp.clock import Clock
from idp.db.databases import Databases
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapEntry, LdapServer
from idp.keys.key_files import Keys
from idp.people.address_queries import NewAddress, give
from idp.people.change_queries import queue_recompute
from idp.people.settings import PeopleSettings
from idp.people.tables import enrolment, person, person_change
from idp.people.values import Priority
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.settings import LimitSettings, ProvisioningSettings
from idp.provisioning.tables import target_state
from idp.provisioning.target import Target
from idp.provisioning.target_states import State
from idp.provisioning.targets.ldap import LdapTarget
from idp.provisioning.targets.ldap import Settings as LdapSettings
from idp.provisioning.values import Entry
from tests.support.students import SEEN, Student, add_student

ZONE = ZoneInfo("Europe/Warsaw")
# For tests of anything but the limits: whatever is planned may be done.
NO_LIMITS = LimitSettings(**{name: 1_000_000 for name in LimitSettings.model_fields if not name.endswith("_share")})
WRITTEN = ("cn", "sn", "givenName", "displayName", "mail", "mailLocalAddress", "idpAlbum", "idpStatus", "idpOwner")


def make_target(slapd: PrivateSlapd, **settings: object) -> LdapTarget:
    """Return the LDAP target over a running slapd."""
    return LdapTarget(LdapSettings.model_validate(settings), slapd.settings, slapd.password("provisioning"))


def make_provisioner(
    databases: Databases,
    slapd: PrivateSlapd,
    clock: Clock,
    limits: LimitSettings = NO_LIMITS,
    others: Mapping[str, Target] | None = None,
    **settings: object,
) -> Provisioner:
    """Return what the steps are given, with the LDAP target and no others, unless given."""
    return Provisioner(
        databases=databases,
        targets={"ldap": make_target(slapd), **(others or {})},
        people=PeopleSettings(),
        settings=ProvisioningSettings.model_validate({"limits": limits, **settings}),
        zone=ZONE,
        clock=clock,
    )


def add_students(databases: Databases, keys: Keys, students: Iterable[Student], *, live: bool = False) -> None:
    """Write students as an import does, changes included."""
    added = [add_student(databases, keys, student) for student in students]
    mark(databases, [student.person_id for student in added], live=live)


def mark(databases: Databases, person_ids: Sequence[str], *, live: bool = False) -> None:
    """Mark people, as their own acts or as an import do."""
    with databases.identity.write() as connection:
        queue_recompute(connection, person_ids, Priority.LIVE if live else Priority.BULK)


def change_person(databases: Databases, person_id: str, **columns: object) -> None:
    """Change a person's row as an import does."""
    with databases.identity.write() as connection:
        connection.execute(update(person).where(person.c.person_id == person_id).values(**columns))
        queue_recompute(connection, [person_id])


def change_status(databases: Databases, person_id: str, status: str, since: date = date(2026, 1, 1)) -> None:
    """Change the status of a person's programmes as an import does."""
    with databases.identity.write() as connection:
        connection.execute(
            update(enrolment).where(enrolment.c.person_id == person_id).values(status=status, status_from=since)
        )
        queue_recompute(connection, [person_id])


def choose_mail_name(databases: Databases, person_id: str, address: str, alias: str) -> None:
    """Give addresses as the portal does, change included."""
    with databases.identity.write() as connection:
        give(connection, SEEN, person_id, NewAddress(address, address), NewAddress(alias, alias))
        queue_recompute(connection, [person_id], Priority.LIVE)


class GivenUp(NamedTuple):
    """A person whom a target refused too often, and what it said last."""

    target: str
    person_id: str
    attempts: int
    error: str


def given_up(connection: Connection) -> list[GivenUp]:
    """Return people whom targets refused too often."""
    columns = [target_state.c[name] for name in GivenUp._fields]
    query = select(*columns).where(target_state.c.state == State.FAILED).order_by(*columns)
    return [GivenUp(*row) for row in connection.execute(query)]


def waiting(databases: Databases) -> int:
    """Return how many people are to be computed or written."""
    with databases.identity.read() as connection:
        return connection.execute(select(func.count()).select_from(_to_do)).scalar_one()


_to_do = union(
    select(person_change.c.person_id),
    select(target_state.c.person_id).where(target_state.c.next_attempt_at.is_not(None)),
).subquery()


class Eyes:
    """Looks into the directory as its manager, from whom nothing is hidden, and meddles with it."""

    def __init__(self, slapd: PrivateSlapd) -> None:
        self._slapd = slapd
        self.directory = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))

    def entry(self, uid: str, names: Sequence[str] = WRITTEN) -> LdapEntry | None:
        """Return a person's entry."""
        return self.directory.read(self._slapd.settings.person_dn(uid), names)

    def value(self, uid: str, name: str) -> str | None:
        """Return an attribute's only value."""
        entry = self.entry(uid, [name])
        return next(iter(entry.values(name)), None) if entry else None


def entry(person_id: str, name: str = "", **given: object) -> Entry:
    """Return an entry for tests of pure functions."""
    parts = SimpleNamespace(**{"enabled": True, "attributes": {"cn": ("Anna",)}, **given})
    return Entry(person_id, name or f"u{person_id}", parts.enabled, parts.attributes)


def ldap_entry(person_id: str, uid: str, **changed: str | tuple[str, ...]) -> Entry:
    """Return an entry that a directory accepts."""
    attributes: dict[str, tuple[str, ...]] = {
        "objectClass": (
            "eduPerson",
            "idpPerson",
            "inetLocalMailRecipient",
            "inetOrgPerson",
            "schacContactLocation",
            "schacLinkageIdentifiers",
        ),
        "cn": ("Anna Nowak",),
        "sn": ("Nowak",),
        "idpStatus": ("active",),
    }
    for name, value in changed.items():
        attributes[name] = (value,) if isinstance(value, str) else value
    return Entry(person_id, uid, attributes["idpStatus"] == ("active",), attributes)
