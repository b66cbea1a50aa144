"""Parts for tests of accounts: a real directory as each service sees it, and claims and staff over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from zlib import crc32
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from deploy.openldap.private import PrivateSlapd
from idp.accounts.claim import Claims
from idp.accounts.password_writer import PasswordWriter
from idp.accounts.settings import AccountsSettings
from idp.accounts.staff import StaffService
from idp.clock import Clock
from idp.db.databases import Databases, identity_file
from idp.db.raw import RawStore
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import LdapServer
from idp.errors import Conflict
from idp.keys.key_files import Keys
from idp.people.account_queries import set_enabled
from idp.people.queries import load_person
from idp.people.tables import account, person
from idp.provisioning.targets.ldap import only_of
from idp.provisioning.values import Entry
from idp.sso.settings import ThrottleSettings
from tests.support.students import Student, add_student

ZONE = ZoneInfo("Europe/Warsaw")
# The cheapest that the settings allow: these tests are about what is stored, the unit test looks at the default.
SETTINGS = AccountsSettings(argon2_memory_kib=8192, argon2_time_cost=1)
PASSWORD = "zażółć gęślą jaźń 7"
STUDENT_DOMAIN = "student.po.edu.pl"


class Services:
    """The running slapd as each of its accounts sees it: `services["accounts"]`, `services["manager"]`."""

    def __init__(self, slapd: PrivateSlapd) -> None:
        self.slapd = slapd
        self._opened: list[Directory] = []

    def __getitem__(self, name: str) -> Directory:
        dn = self.slapd.manager_dn if name == "manager" else self.slapd.service_dn(name)
        # Opened anew each time: after a stop and a start the server listens elsewhere.
        self._opened.append(Directory(LdapServer(self.slapd.url), dn, self.slapd.password(name)))
        return self._opened[-1]

    def __enter__(self) -> Self:
        self.slapd.reset()
        return self

    def __exit__(self, *_: object) -> None:
        for directory in self._opened:
            directory.close()
        self.slapd.start()

    def binds(self, dn: str, password: str) -> bool:
        """Say whether this is the password of `dn`."""
        return self["signin"].bind(dn, password)


def reconcile_person(databases: Databases, services: Services, person_id: str) -> None:
    """Make sure that a person's entry is there."""
    with databases.identity.read() as connection:
        person = load_person(connection, person_id)
    assert person is not None
    entry: dict[str, Sequence[str]] = {
        "objectClass": ["inetOrgPerson", "idpPerson"],
        "uid": [person.uid],
        "cn": [person.display_name],
        "sn": [person.full_surname],
        "idpOwner": [f"idp:{person.person_id}"],
    }
    if person.album:
        entry["idpAlbum"] = [person.album]
    with databases.identity.write() as connection:
        set_enabled(connection, person_id, True)
    try:
        services["provisioning"].add(services.slapd.settings.person_dn(person.uid), entry)
    except Conflict:
        return


def make_password_writer(databases: Databases, services: Services, settings: AccountsSettings) -> PasswordWriter:
    """Return what writes passwords into a real directory."""
    return PasswordWriter(
        directory=services["accounts"],
        layout=services.slapd.settings,
        settings=settings,
        reconcile_person=lambda person_id: reconcile_person(databases, services, person_id),
        only_of=lambda person_id: only_of(person_id, "idp", services.slapd.settings.people_dn),
    )


def make_claims(
    databases: Databases,
    keys: Keys,
    clock: Clock,
    services: Services,
    settings: AccountsSettings = SETTINGS,
    throttle: ThrottleSettings | None = None,
) -> Claims:
    """Return claims over a real directory."""
    return Claims(
        databases=databases,
        keys=keys,
        settings=settings,
        throttle=throttle or ThrottleSettings(),
        clock=clock,
        zone=ZONE,
        password_writer=make_password_writer(databases, services, settings),
    )


def make_staff_desk(
    databases: Databases, raw_store: RawStore, keys: Keys, clock: Clock, services: Services
) -> StaffService:
    """Return the staff desk over a real directory."""
    return StaffService(
        databases=databases,
        raw_store=raw_store,
        keys=keys,
        settings=SETTINGS,
        clock=clock,
        password_writer=make_password_writer(databases, services, SETTINGS),
        student_domain=STUDENT_DOMAIN,
        base_url="https://estudent.example",
        language="pl",
    )


@dataclass(frozen=True)
class StoredAccounts:
    """Accounts in the store as a target's system: made as an import does, taken by somebody else, and out of reach."""

    databases: Databases
    keys: Keys

    def entry(self, person_id: str, name: str, **changed: str) -> Entry:
        """Return an entry whose account an import made, unless somebody else has the name."""
        with self.databases.identity.write() as connection:
            known = connection.execute(select(account.c.account_id).where(account.c.uid == name)).scalar()
        if known is None:
            self._add(person_id, name)
        return Entry(person_id, name, changed.get("idpStatus", "active") == "active", {})

    def take(self, name: str) -> None:
        """Give the name to somebody else."""
        self._add(f"other-{name}", name)

    def is_untouched(self, name: str) -> bool:
        """Return whether the account of this name is still somebody else's, and was never opened."""
        with self.databases.identity.read() as connection:
            row = connection.execute(
                select(account.c.account_id, account.c.enabled, account.c.epoch).where(account.c.uid == name)
            ).one()
        return tuple(row) == (f"other-{name}", False, 0)

    def stop(self) -> None:
        """Put the store out of reach."""
        self.databases.identity.engine.dispose()
        file = identity_file(self.databases.settings)
        file.rename(file.with_suffix(".away"))
        file.mkdir()

    def start(self) -> None:
        """Bring the store back."""
        file = identity_file(self.databases.settings)
        file.rmdir()
        file.with_suffix(".away").rename(file)

    def _add(self, person_id: str, name: str) -> None:
        add_student(self.databases, self.keys, Student(person_id, album=str(crc32(person_id.encode()))))
        with self.databases.identity.write() as connection:
            connection.execute(update(person).where(person.c.person_id == person_id).values(uid=name))
            mine = update(account).where(account.c.account_id == person_id)
            connection.execute(mine.values(uid=name, enabled=False, epoch=0))
