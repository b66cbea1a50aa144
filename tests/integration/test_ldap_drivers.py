"""Both LDAP clients against a real slapd."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from deploy.openldap.private import PrivateSlapd
from idp.drivers.ldap import Directory
from idp.drivers.ldap_bulk import BulkLdap
from idp.drivers.ldap_values import (
    Add,
    AddValues,
    Delete,
    LdapServer,
    Modify,
    RemoveValues,
    Rename,
    Replace,
    Write,
    any_of,
    equals,
    rdn,
)
from idp.errors import Conflict, IdpError, NotFound, TargetRejected, TargetUnavailable
from tests.support.slapd_faults import frozen

PASSWORD = "zażółć gęślą jaźń 7"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
# No surrogates, which UTF-8 has not; a value is not empty, which LDAP refuses.
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
HOSTILE = ['a,b+c="d"\\e<f>;#', "*)(uid=*", "#x", " x ", "\\2a", "𝔛😀", "a\x00b", "\x01\x7f", "x" * 10_000]


@pytest.fixture
def single(directory: PrivateSlapd) -> Iterator[Directory]:
    opened = Directory(LdapServer(directory.url), directory.manager_dn, directory.password("manager"))
    yield opened
    opened.close()


@pytest.fixture
def bulk(directory: PrivateSlapd) -> Iterator[BulkLdap]:
    with BulkLdap(LdapServer(directory.url), directory.manager_dn, directory.password("manager")) as opened:
        yield opened


def person(cn: str = "Anna") -> dict[str, list[str]]:
    return {"objectClass": ["inetOrgPerson"], "cn": [cn], "sn": [cn]}


def dn_of(slapd: PrivateSlapd, uid: str) -> str:
    return f"{rdn('uid', uid)},{slapd.settings.people_dn}"


def errors(bulk: BulkLdap, writes: list[Write]) -> list[type[IdpError] | None]:
    return [type(answer.error) if answer.error else None for answer in bulk.write(writes)]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_written_read_and_found(
    single: Directory, bulk: BulkLdap, directory: PrivateSlapd, value: str
) -> None:
    single.add(dn_of(directory, "single"), person(value))
    assert errors(bulk, [Add(dn_of(directory, "bulk"), person(value))]) == [None]

    assert single.read(dn_of(directory, "bulk"), ["cn"]).values("cn") == (value,)  # type: ignore[union-attr]
    found = bulk.stream(directory.settings.people_dn, equals("cn", value), ["uid"])
    assert sorted(entry.values("uid")[0] for entry in found) == ["bulk", "single"]


@pytest.mark.parametrize("value", [value for value in HOSTILE if len(value) < 200])
def test_hostile_values_stand_in_names(single: Directory, bulk: BulkLdap, directory: PrivateSlapd, value: str) -> None:
    name = f"{rdn('cn', value)},{directory.settings.people_dn}"
    single.add(name, person(value))

    assert single.read(name, ["cn"]).values("cn") == (value,)  # type: ignore[union-attr]
    assert errors(bulk, [Delete(name)]) == [None]
    assert single.read(name, ["cn"]) is None


@given(value=TEXTS)
def test_a_filter_finds_what_has_the_value_and_nothing_else(slapd: PrivateSlapd, value: str) -> None:
    with BulkLdap(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager")) as bulk:
        mine, other = dn_of(slapd, "mine"), dn_of(slapd, "other")
        list(bulk.write([Delete(mine), Delete(other)]))
        list(bulk.write([Add(mine, person(value)), Add(other, person("somebody else entirely"))]))

        filter_ = any_of([equals("cn", value), equals("cn", "nobody")])
        found = {entry.dn for entry in bulk.stream(slapd.settings.people_dn, filter_, ["cn"])}

    assert found == {mine}


def test_a_bind_tells_the_right_password_from_all_others(single: Directory, directory: PrivateSlapd) -> None:
    dn = dn_of(directory, "uabcdefgh")
    single.add(dn, person())
    single.set_password(dn, CHEAP.hash(PASSWORD))

    assert single.bind(dn, PASSWORD)
    assert not single.bind(dn, PASSWORD + "x")
    assert not single.bind(dn, "")
    assert not single.bind("", PASSWORD)
    assert not single.bind(dn, PASSWORD + "\0")
    assert not single.bind(dn_of(directory, "unobody22"), PASSWORD)
    assert not single.bind("not a name", PASSWORD)
    assert single.bind(dn.upper(), PASSWORD)


def test_an_entry_without_a_password_lets_nobody_in(single: Directory, directory: PrivateSlapd) -> None:
    single.add(dn_of(directory, "uabcdefgh"), person())

    assert not single.bind(dn_of(directory, "uabcdefgh"), PASSWORD)


def test_a_new_password_ends_the_old_one(single: Directory, directory: PrivateSlapd) -> None:
    dn = dn_of(directory, "uabcdefgh")
    single.add(dn, person())
    single.set_password(dn, CHEAP.hash("the old password"))
    single.set_password(dn, CHEAP.hash(PASSWORD))

    assert (single.bind(dn, "the old password"), single.bind(dn, PASSWORD)) == (False, True)
    assert len(single.read(dn, ["userPassword"]).values("userPassword")) == 1  # type: ignore[union-attr]


def test_a_password_that_is_not_hashed_never_leaves(single: Directory, directory: PrivateSlapd) -> None:
    with pytest.raises(ValueError, match="argon2id"):
        single.set_password(dn_of(directory, "uabcdefgh"), PASSWORD)


@pytest.mark.parametrize(("dn", "password"), [("", "x"), ("cn=manager", "")])
def test_an_account_without_name_or_password_is_refused_before_the_wire(
    directory: PrivateSlapd, dn: str, password: str
) -> None:
    with pytest.raises(ValueError, match="needs a DN"):
        Directory(LdapServer(directory.url), dn, password)
    with pytest.raises(ValueError, match="needs a DN"):
        BulkLdap(LdapServer(directory.url), dn, password)


def test_a_wrong_password_of_our_own_account_is_an_outage_not_an_answer(directory: PrivateSlapd) -> None:
    wrong = Directory(LdapServer(directory.url), directory.manager_dn, "wrong")
    with pytest.raises(TargetUnavailable, match="refuses our account"):
        wrong.ping()
    with pytest.raises(TargetUnavailable):
        BulkLdap(LdapServer(directory.url), directory.manager_dn, "wrong")
    wrong.close()


def test_each_error_says_whether_a_retry_can_help(single: Directory, directory: PrivateSlapd) -> None:
    dn, nobody = dn_of(directory, "uabcdefgh"), dn_of(directory, "unobody22")
    single.add(dn, person())

    with pytest.raises(Conflict):
        single.add(dn, person())
    with pytest.raises(NotFound):
        single.modify(nobody, [Replace("sn", ["x"])])
    with pytest.raises(NotFound):
        single.rename(nobody, "uid=x")
    with pytest.raises(NotFound):
        single.delete(nobody)
    with pytest.raises(TargetRejected, match="invalid"):
        single.modify(dn, [Replace("mail", ["ż@example.org"])])


def test_kept_connections_survive_a_restart_of_the_server(single: Directory, directory: PrivateSlapd) -> None:
    single.ping()
    assert not single.bind(directory.manager_dn, "wrong")

    directory.restart()

    single.ping()
    assert single.bind(directory.manager_dn, directory.password("manager"))


def test_a_server_that_is_down_is_unavailable(single: Directory, bulk: BulkLdap, directory: PrivateSlapd) -> None:
    directory.stop()

    with pytest.raises(TargetUnavailable):
        single.bind(directory.manager_dn, "wrong")
    with pytest.raises(TargetUnavailable):
        list(bulk.stream(directory.settings.people_dn, "(objectClass=*)", ["cn"]))
    with pytest.raises(TargetUnavailable):
        list(bulk.write([Delete(dn_of(directory, "x"))]))
    with pytest.raises(TargetUnavailable):
        BulkLdap(LdapServer(directory.url), directory.manager_dn, directory.password("manager"))
    directory.restart()


def test_many_writes_in_flight_are_answered_in_order(bulk: BulkLdap, directory: PrivateSlapd) -> None:
    names = [dn_of(directory, f"u{number}") for number in range(300)]
    writes: list[Write] = [Add(name, person()) for name in names]
    writes[100:100] = [Add(directory.settings.people_dn, person())]  # is there already

    answers = list(bulk.write(writes))

    assert [answer.write for answer in answers] == writes
    assert [index for index, answer in enumerate(answers) if answer.error] == [100]
    everybody = list(bulk.stream(directory.settings.people_dn, "(objectClass=inetOrgPerson)", ["cn"]))
    assert len(everybody) == 300


def test_every_kind_of_write_and_its_errors(bulk: BulkLdap, directory: PrivateSlapd) -> None:
    dn, renamed, nobody = (dn_of(directory, uid) for uid in ("uabcdefgh", "urenamed2", "unobody22"))

    assert errors(bulk, [Add(dn, {**person(), "mail": ["a@example.org"]})]) == [None]
    assert errors(bulk, [Modify(dn, [Replace("mail", []), AddValues("cn", ["Ania"])])]) == [None]
    assert errors(bulk, [Rename(dn, "uid=urenamed2")]) == [None]
    assert errors(bulk, [Add(renamed, person())]) == [Conflict]
    assert errors(bulk, [Modify(renamed, [AddValues("cn", ["Ania"])])]) == [TargetRejected]
    assert errors(bulk, [Modify(renamed, [RemoveValues("cn", ["Ania"]), AddValues("cn", ["Ania"])])]) == [None]
    assert errors(bulk, [Modify(renamed, [RemoveValues("cn", ["Eva"]), Replace("sn", ["x"])])]) == [TargetRejected]
    assert errors(bulk, [Modify(nobody, [Replace("sn", ["x"])])]) == [NotFound]
    (entry,) = bulk.stream(directory.settings.people_dn, equals("uid", "urenamed2"), ["cn", "mail"])
    assert (entry.dn, entry.values("cn"), entry.values("mail")) == (renamed, ("Anna", "Ania"), ())
    assert errors(bulk, [Delete(renamed)]) == [None]
    assert errors(bulk, [Delete(renamed)]) == [NotFound]


def test_an_answer_that_was_cut_short_is_never_taken_for_the_whole(directory: PrivateSlapd) -> None:
    with BulkLdap(LdapServer(directory.url), directory.manager_dn, directory.password("manager")) as bulk:
        list(bulk.write([Add(dn_of(directory, f"u{number}"), person()) for number in range(600)]))
    # This account has the server's limit of 500, which the others are freed of.
    name, password = directory.service_dn("accounts"), directory.password("accounts")
    with (
        BulkLdap(LdapServer(directory.url), name, password) as limited,
        pytest.raises(TargetRejected, match=r"(?i)size limit"),
    ):
        list(limited.stream(directory.settings.people_dn, "(objectClass=*)", ["cn"]))


def test_a_stream_may_be_left_early(bulk: BulkLdap, directory: PrivateSlapd) -> None:
    list(bulk.write([Add(dn_of(directory, f"u{number}"), person()) for number in range(50)]))

    stream = bulk.stream(directory.settings.people_dn, "(objectClass=inetOrgPerson)", ["cn"])
    next(stream)
    stream.close()

    assert len(list(bulk.stream(directory.settings.people_dn, "(objectClass=inetOrgPerson)", ["cn"]))) == 50


def test_a_server_that_does_not_answer_in_time_is_said_so_in_plain_words(directory: PrivateSlapd) -> None:
    single = Directory(LdapServer(directory.url, timeout_s=0.5), directory.manager_dn, directory.password("manager"))
    single.ping()
    with frozen(directory):
        for asked in (single.ping, lambda: single.bind(directory.manager_dn, "wrong")):
            with pytest.raises(TargetUnavailable, match=r"^ldap://[^ ]+: no answer within 0.5 seconds$"):
                asked()
    single.close()
