"""An entry that another system put at the name of ours, after we looked, is left as it is: the server compares."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases, open_databases
from idp.db.settings import StoreSettings
from idp.drivers.ldap import Directory
from idp.drivers.ldap_bulk import BulkLdap
from idp.drivers.ldap_values import Add, Delete, LdapServer, Modify, Rename, Replace, Write, equals
from idp.errors import IdpError, NotFound, TargetRejected, TargetUnavailable
from idp.keys.key_files import Keys
from idp.provisioning.executor import apply_run
from idp.provisioning.planning import make_plan
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeState
from idp.provisioning.run_queries import changes_of
from idp.provisioning.targets.ldap import LdapTarget
from idp.provisioning.values import Change, Entry
from tests.support.actors import shell
from tests.support.provisioning import Eyes, add_students, change_person, ldap_entry, make_target, waiting
from tests.support.students import Student
from tests.support.terminal import Terminal

ANNA = Student("a" * 32, album="123", given_name="Anna", surname="Kowalska")
JAN = Student("b" * 32, album="200", given_name="Jan", surname="Beek")
UID = "uabcdefgh"
MINE = ldap_entry("p1", UID, mailLocalAddress="a@example.org")
CHANGES = {
    "name": Change.update(MINE, ldap_entry("p1", UID, mailLocalAddress="a@example.org", sn="Żak")),
    "address": Change.update(MINE, ldap_entry("p1", UID, mailLocalAddress=("a@example.org", "b@example.org"))),
    "lock": Change.update(MINE, ldap_entry("p1", UID, mailLocalAddress="a@example.org", idpStatus="suspended")),
    "rename": Change.update(MINE, ldap_entry("p1", "urenamed2", mailLocalAddress="a@example.org")),
    "rename and more": Change.update(MINE, ldap_entry("p1", "urenamed2", mailLocalAddress="a@example.org", sn="Żak")),
    "removal": Change.remove(MINE, "asked for by a test"),
}
MARKS = {"nobody's": None, "another installation's": "other:p1", "another person's": "idp:p2"}
HOSTILE = ['a,b+c="d"\\e<f>;#', "*)(uid=*", "#x", "\\2a", "𝔛😀", "a\x00b", "\x01\x7f"]


@pytest.fixture
def target(directory: PrivateSlapd) -> Iterator[LdapTarget]:
    made = make_target(directory)
    yield made
    made.close()


Writer = Callable[[Write], None]


@pytest.fixture(params=["single", "bulk"])
def write(request: pytest.FixtureRequest, directory: PrivateSlapd) -> Iterator[Writer]:
    """Does one write by one of the two clients, as the directory's manager, and raises its error."""
    server, dn, password = LdapServer(directory.url), directory.manager_dn, directory.password("manager")
    if request.param == "single":
        single = Directory(server, dn, password)
        yield single.write
        single.close()
        return
    with BulkLdap(server, dn, password) as bulk:

        def one(write: Write) -> None:
            (answer,) = bulk.write([write])
            if answer.error is not None:
                raise answer.error

        yield one


def replace_by_foreign(eyes: Eyes, dn: str, mark: str | None) -> Mapping[str, tuple[str, ...]]:
    """Put an entry of somebody else at the name of ours, and return everything in it, its change number included."""
    eyes.directory.delete(dn)
    entry = {"objectClass": ["inetOrgPerson", "idpPerson"], "cn": ["Guest"], "sn": ["Guest"]}
    eyes.directory.add(dn, entry if mark is None else {**entry, "idpOwner": [mark]})
    return everything(eyes, dn)


def everything(eyes: Eyes, dn: str) -> Mapping[str, tuple[str, ...]]:
    entry = eyes.directory.read(dn, ["*", "+"])
    assert entry is not None
    return entry.attributes


def error_of_bulk(target: LdapTarget, change: Change) -> IdpError | None:
    (outcome,) = target.apply([change])
    return outcome.error


def error_at_once(target: LdapTarget, change: Change) -> IdpError | None:
    try:
        target.apply_one(change)
    except IdpError as error:
        return error
    return None


@pytest.mark.parametrize("error_of", [error_of_bulk, error_at_once])
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("kind", CHANGES)
def test_an_entry_that_took_the_place_of_ours_is_left_as_it_is(
    target: LdapTarget,
    directory: PrivateSlapd,
    eyes: Eyes,
    kind: str,
    mark: str,
    error_of: Callable[[LdapTarget, Change], IdpError | None],
) -> None:
    target.apply_one(Change.create(MINE))
    theirs = replace_by_foreign(eyes, directory.settings.person_dn(UID), MARKS[mark])

    error = error_of(target, CHANGES[kind])

    assert isinstance(error, TargetRejected)
    assert "not ours" in str(error)
    assert everything(eyes, directory.settings.person_dn(UID)) == theirs
    assert eyes.entry("urenamed2") is None


@pytest.mark.parametrize("error_of", [error_of_bulk, error_at_once])
@pytest.mark.parametrize("kind", CHANGES)
def test_our_own_entry_is_changed_as_ever(
    target: LdapTarget, kind: str, error_of: Callable[[LdapTarget, Change], IdpError | None]
) -> None:
    target.apply_one(Change.create(MINE))

    assert error_of(target, CHANGES[kind]) is None
    assert list(target.read()) == [each for each in [CHANGES[kind].after] if isinstance(each, Entry)]


def test_a_removal_of_an_entry_that_is_gone_is_done(target: LdapTarget, directory: PrivateSlapd, eyes: Eyes) -> None:
    target.apply_one(Change.create(MINE))
    eyes.directory.delete(directory.settings.person_dn(UID))

    assert error_of_bulk(target, CHANGES["removal"]) is None
    assert error_at_once(target, CHANGES["removal"]) is None


def test_a_run_reports_the_entry_that_took_the_place_of_ours_and_writes_the_others(
    provisioner: Provisioner, databases: Databases, directory: PrivateSlapd, keys: Keys, eyes: Eyes
) -> None:
    add_students(databases, keys, [ANNA, JAN])
    apply_run(provisioner, make_plan(provisioner, shell("test")).run_id, shell("test"))
    for student in (ANNA, JAN):
        change_person(databases, student.person_id, surname="Nowak")
    plan = make_plan(provisioner, shell("test"))
    dn = directory.settings.person_dn(ANNA.uid)
    theirs: list[Mapping[str, tuple[str, ...]]] = []

    def meddle(_: int) -> None:
        """Called for the first time when the run has looked at the directory and has written nothing yet."""
        if not theirs:
            assert eyes.value(ANNA.uid, "sn") == "Kowalska"
            theirs.append(replace_by_foreign(eyes, dn, f"other:{ANNA.person_id}"))

    result = apply_run(provisioner, plan.run_id, shell("test"), progress=meddle)

    assert (result.done, result.rejected, result.is_complete) == (1, 1, False)
    with databases.identity.read() as connection:
        (row,) = changes_of(connection, plan.run_id, state=ChangeState.REJECTED)
    assert (row.person_id, "not ours" in row.error) == (ANNA.person_id, True)
    assert [everything(eyes, dn)] == theirs
    assert eyes.value(JAN.uid, "sn") == "Nowak"
    assert waiting(databases) == 1


# --- the clients ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", HOSTILE)
def test_a_write_is_done_where_the_entry_is_as_asked_and_nowhere_else(
    write: Writer, directory: PrivateSlapd, eyes: Eyes, value: str
) -> None:
    dn, renamed = directory.settings.person_dn(UID), directory.settings.person_dn("urenamed2")
    write(Add(dn, {"objectClass": ["inetOrgPerson"], "cn": [value], "sn": ["x"]}))
    right, wrong = equals("cn", value), equals("cn", value + "x")

    for refused in (Modify(dn, [Replace("sn", ["y"])], wrong), Rename(dn, "uid=urenamed2", wrong), Delete(dn, wrong)):
        with pytest.raises(TargetRejected, match="not ours"):
            write(refused)
    assert eyes.value(UID, "sn") == "x"

    write(Modify(dn, [Replace("sn", ["y"])], right))
    assert eyes.value(UID, "sn") == "y"
    write(Delete(dn, right))
    assert (eyes.entry(UID), eyes.directory.read(renamed, ["cn"])) == (None, None)


def test_an_entry_that_is_not_there_is_not_found_whatever_is_asked_of_it(
    write: Writer, directory: PrivateSlapd
) -> None:
    nobody, only_if = directory.settings.person_dn("unobody22"), equals("idpOwner", "idp:p1")

    for each in (Modify(nobody, [Replace("sn", ["y"])], only_if), Delete(nobody, only_if)):
        with pytest.raises(NotFound):
            write(each)


def test_a_server_that_cannot_compare_is_out_of_order_and_writes_nothing(write: Writer) -> None:
    """The database of slapd's own settings does not know the control."""
    with pytest.raises(TargetUnavailable, match="RFC 4528"):
        write(Modify("cn=config", [Replace("olcIdleTimeout", ["1"])], equals("idpOwner", "idp:p1")))
    with pytest.raises(TargetRejected):
        write(Modify("cn=config", [Replace("olcIdleTimeout", ["1"])]))


def test_an_entry_whose_mark_was_removed_by_hand_is_ours_again_when_it_is_given_back(
    tmp_path: Path, directory: PrivateSlapd, eyes: Eyes, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, directory, monkeypatch)
    databases = open_databases(StoreSettings(folder=tmp_path / "data"))
    add_students(databases, keys, [ANNA])
    databases.close()
    terminal.run("apply")
    dn = directory.settings.person_dn(ANNA.uid)

    eyes.directory.modify(dn, [Replace("idpOwner", [])])
    refused = terminal.result("apply")
    key = terminal.json("explain", "person", "123")["person_id"]
    eyes.directory.modify(dn, [Replace("idpOwner", [f"idp:{key}"])])

    assert refused.exit_code == 1
    assert "lready exists" in refused.output, refused.output
    assert terminal.json("apply")["is_complete"] is True
    assert terminal.json("plan")["total"] == 0
