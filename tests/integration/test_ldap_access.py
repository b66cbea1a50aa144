"""Who may do what in the directory that deploy/openldap sets up."""

import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from deploy.openldap.private import PrivateSlapd
from idp.drivers.ldap import Directory
from idp.drivers.ldap_bulk import BulkLdap
from idp.drivers.ldap_values import LdapServer, Replace, equals
from idp.errors import NotFound, TargetRejected
from idp.provisioning.targets.ldap import LOCK, UNLOCK
from idp.provisioning.values import Change
from tests.support.provisioning import Eyes, ldap_entry, make_target

PASSWORD = "zażółć gęślą jaźń 7"
AS_STUDENTS = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
UID = "uabcdefgh"
SERVICES = ("signin", "provisioning", "accounts", "reader")


class Services(dict[str, Directory]):
    """The directory as each account sees it, opened when asked for."""

    def __init__(self, slapd: PrivateSlapd) -> None:
        self._slapd = slapd

    def __missing__(self, name: str) -> Directory:
        self[name] = Directory(LdapServer(self._slapd.url), self._slapd.service_dn(name), self._slapd.password(name))
        return self[name]


@pytest.fixture
def directory(slapd: PrivateSlapd) -> Iterator[PrivateSlapd]:
    """A directory with one student, who has a password, and one entry that is not ours."""
    slapd.reset()
    target, eyes = make_target(slapd), Eyes(slapd)
    target.apply_one(Change.create(ldap_entry("p1", UID, idpAlbum="123", mailLocalAddress="a@example.org")))
    eyes.directory.set_password(slapd.settings.person_dn(UID), AS_STUDENTS.hash(PASSWORD))
    eyes.directory.add(foreign(slapd), {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"]})
    target.close()
    eyes.directory.close()
    yield slapd
    slapd.start()


@pytest.fixture
def services(directory: PrivateSlapd) -> Iterator[Services]:
    opened = Services(directory)
    yield opened
    for each in opened.values():
        each.close()


def foreign(slapd: PrivateSlapd) -> str:
    return f"uid=guest,{slapd.settings.people_dn}"


@pytest.mark.parametrize("name", SERVICES)
def test_passwords_and_their_state_are_read_by_nobody(services: Services, directory: PrivateSlapd, name: str) -> None:
    for dn in (directory.settings.person_dn(UID), directory.service_dn("reader"), directory.service_dn("decoy")):
        entry = services[name].read(dn, ["*", "+"])
        seen = set() if entry is None else set(entry.attributes)
        assert not {attribute for attribute in seen if attribute.startswith(("userpassword", "pwd"))}


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_finds_people_by_their_passwords(directory: PrivateSlapd, name: str) -> None:
    with BulkLdap(LdapServer(directory.url), directory.service_dn(name), directory.password(name)) as bulk:
        assert not list(bulk.stream(directory.base_dn, "(userPassword=*)", ["cn"], scope="sub"))
        assert not list(bulk.stream(directory.base_dn, "(pwdChangedTime=*)", ["cn"], scope="sub"))


@pytest.mark.parametrize("name", ["signin", "accounts"])
@pytest.mark.parametrize(
    "condition",
    ["(sn=T*)", "(cn=*)", "(givenName=*)", "(displayName=*)", "(modifyTimestamp=*)", "(entryUUID=*)", "(!(sn=X))"],
)
def test_nobody_finds_people_by_what_they_may_not_read(directory: PrivateSlapd, name: str, condition: str) -> None:
    assert found_by(directory, name, f"(&(uid={UID}){condition})") == []
    assert found_by(directory, "provisioning", f"(uid={UID})") == [directory.settings.person_dn(UID)]


def test_the_sign_in_account_does_not_find_people_by_their_owner(directory: PrivateSlapd) -> None:
    assert found_by(directory, "signin", "(idpOwner=*)") == []
    assert found_by(directory, "accounts", "(idpOwner=idp:p1)") == [directory.settings.person_dn(UID)]


@pytest.mark.parametrize("condition", [f"(uid={UID})", "(idpAlbum=123)", "(mailLocalAddress=a@example.org)"])
@pytest.mark.parametrize("name", ["signin", "accounts"])
def test_who_may_read_a_name_may_find_people_by_it(directory: PrivateSlapd, name: str, condition: str) -> None:
    assert found_by(directory, name, condition) == [directory.settings.person_dn(UID)]


@pytest.mark.parametrize("name", ["signin", "accounts", "provisioning"])
def test_no_service_finds_the_entries_of_others_services(directory: PrivateSlapd, name: str) -> None:
    assert found_by(directory, name, "(cn=*)", base=f"ou=services,{directory.base_dn}") == []


def found_by(directory: PrivateSlapd, service: str, condition: str, base: str = "") -> list[str]:
    """Return the entries that `ldapsearch` shows to a service."""
    program = ["ldapsearch", "-LLL", "-x", "-o", "ldif-wrap=no"]
    who = ["-H", directory.url, "-D", directory.service_dn(service), "-w", directory.password(service)]
    words = [*program, *who, "-b", base or directory.settings.people_dn, condition, "1.1"]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    return [line.removeprefix("dn: ") for line in answer.stdout.splitlines() if line.startswith("dn: ")]


@pytest.mark.parametrize("name", ["signin", "provisioning", "reader"])
def test_only_the_accounts_service_sets_passwords(services: Services, directory: PrivateSlapd, name: str) -> None:
    dn = directory.settings.person_dn(UID)
    with pytest.raises(TargetRejected):
        services[name].set_password(dn, AS_STUDENTS.hash("another one"))

    services["accounts"].set_password(dn, AS_STUDENTS.hash("another one"))

    assert services["signin"].bind(dn, "another one")
    assert not services["signin"].bind(dn, PASSWORD)


def test_the_accounts_service_changes_nothing_else_of_a_student(services: Services, directory: PrivateSlapd) -> None:
    for name, value in (("cn", "X"), ("mail", "x@example.org"), ("idpStatus", "active"), (LOCK.name, "")):
        with pytest.raises(TargetRejected):
            services["accounts"].modify(directory.settings.person_dn(UID), [Replace(name, [value] if value else [])])


def test_the_accounts_service_makes_nobody(services: Services, directory: PrivateSlapd) -> None:
    entry = {"objectClass": ["inetOrgPerson"], "cn": ["C"], "sn": ["C"]}
    with pytest.raises(TargetRejected):
        services["accounts"].add(directory.settings.person_dn("ustaff222"), entry)


def test_provisioning_brings_no_password_with_a_new_entry(services: Services, directory: PrivateSlapd) -> None:
    dn = directory.settings.person_dn("unew22222")
    entry = {"objectClass": ["inetOrgPerson", "idpPerson"], "cn": ["N"], "sn": ["N"], "idpOwner": ["idp:new"]}

    with pytest.raises(TargetRejected):
        services["provisioning"].add(dn, {**entry, "userPassword": [AS_STUDENTS.hash(PASSWORD)]})
    services["provisioning"].add(dn, entry)


def test_provisioning_locks_and_unlocks(services: Services, directory: PrivateSlapd) -> None:
    dn = directory.settings.person_dn(UID)
    assert not services["signin"].is_locked(dn)
    services["provisioning"].modify(dn, [LOCK])
    assert not services["signin"].bind(dn, PASSWORD)
    assert services["signin"].is_locked(dn)

    for _ in range(2):
        services["provisioning"].modify(dn, [UNLOCK])
        assert services["signin"].bind(dn, PASSWORD)


def test_the_server_itself_keeps_provisioning_from_entries_of_others(
    services: Services, directory: PrivateSlapd
) -> None:
    theirs = foreign(directory)
    with pytest.raises(TargetRejected):
        services["provisioning"].modify(theirs, [Replace("cn", ["X"])])
    with pytest.raises(TargetRejected):
        services["provisioning"].modify(theirs, [Replace("objectClass", ["inetOrgPerson", "idpPerson"])])
    with pytest.raises(TargetRejected):
        services["provisioning"].delete(theirs)


@pytest.mark.parametrize("name", ["signin", "reader"])
def test_readers_write_nothing(services: Services, directory: PrivateSlapd, name: str) -> None:
    with pytest.raises((TargetRejected, NotFound)):
        services[name].modify(directory.settings.person_dn(UID), [Replace("cn", ["X"])])
    with pytest.raises((TargetRejected, NotFound)):
        services[name].delete(directory.settings.person_dn(UID))


def test_the_reader_sees_everything_else(services: Services, directory: PrivateSlapd) -> None:
    entry = services["reader"].read(directory.settings.person_dn(UID), ["*"])

    assert entry is not None
    assert entry.values("idpAlbum") == ("123",)
    assert entry.values("mailLocalAddress") == ("a@example.org",)


def test_the_sign_in_account_sees_only_what_it_needs(services: Services, directory: PrivateSlapd) -> None:
    entry = services["signin"].read(directory.settings.person_dn(UID), ["*"])

    assert entry is not None
    assert set(entry.attributes) <= {"objectclass", "uid", "idpalbum", "idpstatus", "mail", "maillocaladdress"}


@pytest.mark.parametrize("name", ["provisioning", "accounts", "reader"])
def test_nobody_else_reads_the_lock(services: Services, directory: PrivateSlapd, name: str) -> None:
    dn = directory.settings.person_dn(UID)
    services["provisioning"].modify(dn, [LOCK])

    assert not services[name].is_locked(dn)


def test_a_student_reads_and_changes_nothing_over_ldap(directory: PrivateSlapd) -> None:
    dn = directory.settings.person_dn(UID)
    student = Directory(LdapServer(directory.url), dn, PASSWORD)

    assert student.read(dn, ["*"]) is None
    with pytest.raises((TargetRejected, NotFound)):
        student.modify(dn, [Replace("cn", ["X"])])
    with pytest.raises((TargetRejected, NotFound)):
        student.set_password(dn, AS_STUDENTS.hash("my own choice"))
    student.close()


@pytest.mark.parametrize(("name", "value"), [("uid", UID), ("idpAlbum", "123"), ("mailLocalAddress", "A@example.ORG")])
def test_an_identifier_has_one_holder(services: Services, directory: PrivateSlapd, name: str, value: str) -> None:
    other = {"objectClass": ["inetOrgPerson", "idpPerson", "inetLocalMailRecipient"], "cn": ["B"], "sn": ["B"]}
    second = {**other, "idpOwner": ["idp:p2"], "uid": ["uother222"]}
    second[name] = [*second.get(name, []), value]

    with pytest.raises(TargetRejected, match="non-unique"):
        services["provisioning"].add(directory.settings.person_dn("uother222"), second)


def test_a_primary_address_may_not_equal_anothers_alias(services: Services, directory: PrivateSlapd) -> None:
    second = ldap_entry("p2", "uother222", mailLocalAddress=("a@example.org", "b@example.org"), mail="b@example.org")
    target = make_target(directory)

    with pytest.raises(TargetRejected, match="non-unique"):
        target.apply_one(Change.create(second))
    target.close()


def test_refusing_the_decoy_costs_what_refusing_a_person_costs(services: Services, directory: PrivateSlapd) -> None:
    def cost(dn: str) -> float:
        before = time.perf_counter()
        assert not services["signin"].bind(dn, "not the password")
        return time.perf_counter() - before

    person, decoy = directory.settings.person_dn(UID), directory.settings.decoy_dn
    pairs = [(cost(person), cost(decoy)) for _ in range(15)]

    # Side by side and by their medians, since other processes share the machine; nothing here is near 1 ms.
    ratio = statistics.median(one for one, _ in pairs) / statistics.median(two for _, two in pairs)
    assert 0.5 < ratio < 2
    assert min(two for _, two in pairs) > 0.005


def test_a_second_start_keeps_the_data_and_a_reset_does_not(tmp_path: Path) -> None:
    folder = tmp_path / ("a long folder name with spaces and letters: źdźbło " * 4)
    first = PrivateSlapd(folder, durable=False, dies_with_us=True)
    with first:
        eyes = Eyes(first)
        dn = first.settings.person_dn(UID)
        eyes.directory.add(dn, {"objectClass": ["inetOrgPerson"], "cn": ["A"], "sn": ["A"]})
        eyes.directory.close()
    assert first.pid is None

    with PrivateSlapd(folder, durable=False, dies_with_us=True) as second:
        eyes = Eyes(second)
        assert eyes.directory.read(dn, ["cn"]) is not None
        second.reset()
        assert eyes.directory.read(dn, ["cn"]) is None
        eyes.directory.close()


def test_starting_twice_is_one_server(directory: PrivateSlapd) -> None:
    again = PrivateSlapd(directory.folder, durable=False)
    before = directory.pid
    again.start()

    assert (again.pid, again.url) == (before, directory.url)
    with BulkLdap(LdapServer(again.url), again.service_dn("reader"), again.password("reader")) as bulk:
        assert len(list(bulk.stream(again.settings.people_dn, equals("uid", UID), ["cn"]))) == 1
