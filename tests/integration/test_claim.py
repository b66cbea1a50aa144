"""Claiming an account, with a real directory."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from deploy.openldap.private import PrivateSlapd
from idp.accounts.claim import Claims, Typed
from idp.accounts.settings import Detail
from idp.audit.tables import event_pending
from idp.db.databases import Databases
from idp.errors import (
    BadCredentials,
    Conflict,
    IdpError,
    InvalidPassword,
    NotFound,
    TargetRejected,
    TargetUnavailable,
)
from idp.keys.key_files import Keys
from idp.people.tables import account
from idp.people.values import Album
from idp.sso.settings import ThrottleSettings
from tests.support.accounts import PASSWORD, SETTINGS, Services, make_claims
from tests.support.clock import ManualClock
from tests.support.exports import export_row, write_export
from tests.support.imports import Registry
from tests.support.students import Student, add_student

ALBUM = Album("12345")
RIGHT = Typed("Żaneta", "Źdźbło-Ćwik", date(1905, 3, 14), "1359")
HOME = "203.0.113.7"
ANOTHER_PASSWORD = "kot śpi na piecu cały dzień"


@pytest.fixture
def services(slapd: PrivateSlapd) -> Iterator[Services]:
    """The running slapd, without anybody in it, and running again afterwards."""
    with Services(slapd) as services:
        yield services


@pytest.fixture
def claims(databases: Databases, keys: Keys, clock: ManualClock, services: Services) -> Claims:
    return make_claims(databases, keys, clock, services)


@pytest.fixture
def student(databases: Databases, keys: Keys) -> Student:
    return add_student(databases, keys, Student("p1"))


def may_sign_in(services: Services, student: Student, password: str) -> bool:
    return services.binds(services.slapd.settings.person_dn(student.uid), password)


def stored_passwords(services: Services, student: Student) -> tuple[str, ...]:
    entry = services["manager"].read(services.slapd.settings.person_dn(student.uid), ["userPassword"])
    return entry.values("userPassword") if entry else ()


def is_claimed(databases: Databases) -> bool:
    with databases.identity.read() as connection:
        return connection.execute(select(account.c.claimed_at)).scalar_one() is not None


def events(databases: Databases) -> list[tuple[str, str]]:
    found = []
    for database in (databases.sessions, databases.identity):
        with database.read() as connection:
            rows = connection.execute(select(event_pending).order_by(event_pending.c.event_id))
            found += [(row.kind, row.reason) for row in rows]
    return found


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except IdpError as error:
        return error.code
    return "done"


def test_the_right_details_and_a_good_password_open_the_account(
    claims: Claims, databases: Databases, services: Services, student: Student
) -> None:
    token = claims.match(ALBUM, RIGHT, HOME)
    assert claims.whose(token).person_id == student.person_id

    claims.set_password(token, PASSWORD, "pl")

    assert may_sign_in(services, student, PASSWORD)
    assert is_claimed(databases)
    (stored,) = stored_passwords(services, student)
    assert stored.startswith("{ARGON2}$argon2id$v=19$m=8192,t=1,p=1$")
    assert events(databases) == [("claim.matched", ""), ("password.set", ""), ("account.claimed", "")]


def test_the_default_cost_is_the_one_that_owasp_names(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, student: Student
) -> None:
    claims = make_claims(databases, keys, clock, services, type(SETTINGS)())

    claims.set_password(claims.match(ALBUM, RIGHT, HOME), PASSWORD, "pl")

    assert stored_passwords(services, student)[0].startswith("{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$")
    assert may_sign_in(services, student, PASSWORD)


def test_leading_zeros_of_the_album_number_mean_nothing(claims: Claims, student: Student) -> None:
    assert claims.whose(claims.match(Album("0012345"), RIGHT, HOME)).person_id == student.person_id


REFUSED = {
    "an unknown album number": ({}, Album("999"), RIGHT, "unknown_album"),
    "another surname": ({}, ALBUM, replace(RIGHT, surname="Kowalska"), "details_do_not_match"),
    "another end of the id": ({}, ALBUM, replace(RIGHT, id_end="1358"), "details_do_not_match"),
    "a claimed account": ({"claimed_at": ManualClock().now()}, ALBUM, RIGHT, "already_claimed"),
    "a closed account": ({"enabled": False}, ALBUM, RIGHT, "disabled"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_everything_that_is_wrong_is_refused_alike_and_told_apart_only_in_the_journal(
    claims: Claims, databases: Databases, keys: Keys, what: str
) -> None:
    change, album, typed, reason = REFUSED[what]
    add_student(databases, keys, replace(Student("p1"), **change))  # type: ignore[arg-type] # the table above

    with pytest.raises(BadCredentials) as refusal:
        claims.match(album, typed, HOME)

    assert str(refusal.value) == ""
    assert events(databases) == [("claim.refused", reason)]


def test_the_sixth_try_of_a_day_is_refused_even_when_it_is_right_and_the_next_day_counts_anew(
    claims: Claims, databases: Databases, clock: ManualClock, student: Student
) -> None:
    for _ in range(5):
        assert outcome(lambda: claims.match(ALBUM, replace(RIGHT, id_end="0000"), HOME)) == "bad_credentials"

    assert outcome(lambda: claims.match(ALBUM, RIGHT, HOME)) == "too_many_attempts"
    clock.advance(12 * 3600 - 1)  # 23:59:59 in Opole
    assert outcome(lambda: claims.match(ALBUM, RIGHT, HOME)) == "too_many_attempts"
    clock.advance(1)
    assert outcome(lambda: claims.match(ALBUM, RIGHT, HOME)) == "done"


def test_the_limit_is_the_same_for_an_album_number_that_nobody_has(claims: Claims) -> None:
    outcomes = [outcome(lambda: claims.match(Album("999"), RIGHT, HOME)) for _ in range(6)]

    assert outcomes == ["bad_credentials"] * 5 + ["too_many_attempts"]


def test_parallel_tries_do_not_get_past_the_limit(claims: Claims, student: Student) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(lambda _: outcome(lambda: claims.match(ALBUM, RIGHT, HOME)), range(12)))

    assert outcomes.count("done") == 5


FEW = SETTINGS.model_copy(update={"claim_network_failures_per_day": 7})


def fail(claims: Claims, times: int, address: str) -> list[str]:
    """Try so many album numbers that nobody has."""
    return [outcome(partial(claims.match, Album(f"9{number}"), RIGHT, address)) for number in range(times)]


def test_one_network_cannot_use_up_the_tries_of_every_album_number(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, student: Student
) -> None:
    claims = make_claims(databases, keys, clock, services, FEW)
    assert fail(claims, 9, HOME) == ["bad_credentials"] * 7 + ["too_many_attempts"] * 2
    refused = [outcome(lambda: claims.match(ALBUM, RIGHT, HOME)) for _ in range(6)]

    assert refused == ["too_many_attempts"] * 6
    assert events(databases)[-1] == ("claim.refused", "too_many_from_network")
    assert outcome(lambda: claims.match(ALBUM, RIGHT, "198.51.100.1")) == "done"
    clock.advance(12 * 3600)  # midnight in Opole
    assert outcome(lambda: claims.match(ALBUM, RIGHT, HOME)) == "done"


def test_claims_that_match_cost_a_network_nothing(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services
) -> None:
    claims = make_claims(databases, keys, clock, services, FEW)
    fail(claims, 6, HOME)
    for number in range(9):
        add_student(databases, keys, Student(f"p{number}", album=f"100{number}"))
        assert outcome(partial(claims.match, Album(f"100{number}"), RIGHT, HOME)) == "done"


@pytest.mark.parametrize("throttle", [{"shared_networks": ["203.0.113.0/24"]}, {"enabled": False}])
def test_a_network_that_many_people_share_is_counted_by_album_number_only(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, throttle: dict[str, Any]
) -> None:
    limits = ThrottleSettings.model_validate(throttle)
    claims = make_claims(databases, keys, clock, services, FEW, limits)

    assert fail(claims, 9, HOME) == ["bad_credentials"] * 9


def test_only_the_details_that_the_university_asks_for_have_to_match(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, student: Student
) -> None:
    asked = SETTINGS.model_copy(update={"claim_details": [Detail.SURNAME, Detail.DATE_OF_BIRTH]})
    claims = make_claims(databases, keys, clock, services, asked)

    assert claims.match(ALBUM, Typed(surname="zdzblo cwik", date_of_birth=date(1905, 3, 14)), HOME)


def test_after_a_correction_has_come_with_an_import_the_same_claim_works(
    claims: Claims, databases: Databases, keys: Keys, clock: ManualClock, tmp_path: Path
) -> None:
    typed = Typed("Anna", "Nowak", date(1902, 2, 27), "0003")

    registry = Registry(databases, keys, clock)

    def take(name: str, **changes: str) -> None:
        registry.take(write_export(tmp_path / name, [export_row(**changes)]))
        registry.carry_out()

    take("before.csv", nazwisko="Nowakk")
    assert outcome(lambda: claims.match(ALBUM, typed, HOME)) == "bad_credentials"

    clock.advance(24 * 3600)
    take("after.csv", nazwisko="Nowak", zmieniono="2026-10-02T09:00:00+02:00")

    claims.set_password(claims.match(ALBUM, typed, HOME), PASSWORD, "pl")
    assert is_claimed(databases)


@pytest.mark.parametrize("token", ["", "made-up", "x" * 5000])
def test_the_second_step_cannot_be_reached_without_the_first(claims: Claims, student: Student, token: str) -> None:
    with pytest.raises(NotFound):
        claims.set_password(token, PASSWORD, "pl")


def test_the_second_step_lasts_half_an_hour(claims: Claims, clock: ManualClock, student: Student) -> None:
    token = claims.match(ALBUM, RIGHT, HOME)
    clock.advance(1799)
    assert claims.whose(token)
    clock.advance(1)
    with pytest.raises(NotFound):
        claims.set_password(token, PASSWORD, "pl")


def test_a_refused_password_says_which_rule_and_the_step_goes_on(
    claims: Claims, databases: Databases, student: Student
) -> None:
    token = claims.match(ALBUM, RIGHT, HOME)

    with pytest.raises(InvalidPassword, match="too_short"):
        claims.set_password(token, "krótkie", "pl")
    with pytest.raises(InvalidPassword, match="own_data"):
        claims.set_password(token, "Żaneta lubi psy i koty", "pl")

    assert not is_claimed(databases)
    claims.set_password(token, PASSWORD, "pl")
    assert is_claimed(databases)


def test_a_used_step_cannot_set_a_second_password(claims: Claims, services: Services, student: Student) -> None:
    token = claims.match(ALBUM, RIGHT, HOME)
    claims.set_password(token, PASSWORD, "pl")

    with pytest.raises(NotFound):
        claims.set_password(token, ANOTHER_PASSWORD, "pl")
    assert may_sign_in(services, student, PASSWORD)


def test_while_the_directory_is_down_nothing_is_claimed_and_nothing_is_lost(
    claims: Claims, databases: Databases, services: Services, student: Student
) -> None:
    token = claims.match(ALBUM, RIGHT, HOME)
    services.slapd.stop()

    with pytest.raises(TargetUnavailable):
        claims.set_password(token, PASSWORD, "pl")

    assert not is_claimed(databases)
    services.slapd.start()
    again = replace(claims, password_writer=replace(claims.password_writer, directory=services["accounts"]))
    again.set_password(token, PASSWORD, "pl")
    assert may_sign_in(services, student, PASSWORD)


def test_an_entry_that_another_system_put_there_in_between_gets_no_password(
    claims: Claims, databases: Databases, services: Services, student: Student
) -> None:
    dn, manager = services.slapd.settings.person_dn(student.uid), services["manager"]
    token = claims.match(ALBUM, RIGHT, HOME)

    def bring_true_and_lose(person_id: str) -> None:
        claims.password_writer.reconcile_person(person_id)
        manager.delete(dn)
        manager.add(dn, {"objectClass": ["inetOrgPerson"], "cn": ["Guest"], "sn": ["Guest"]})

    with pytest.raises(TargetRejected, match="not ours"):
        replace(
            claims, password_writer=replace(claims.password_writer, reconcile_person=bring_true_and_lose)
        ).set_password(token, PASSWORD, "pl")
    assert (stored_passwords(services, student), is_claimed(databases)) == ((), False)

    manager.delete(dn)
    claims.set_password(token, PASSWORD, "pl")
    assert may_sign_in(services, student, PASSWORD)


def test_of_parallel_claims_one_wins_and_its_password_is_the_one_that_works(
    claims: Claims, services: Services, student: Student
) -> None:
    tokens = [claims.match(ALBUM, RIGHT, HOME) for _ in range(4)]
    passwords = [f"{PASSWORD} numer {word}" for word in ("jeden", "dwa", "trzy", "cztery")]

    with ThreadPoolExecutor(max_workers=4) as pool:
        outcomes = list(
            pool.map(
                lambda pair: outcome(lambda: claims.set_password(pair[0], pair[1], "pl")),
                zip(tokens, passwords, strict=True),
            )
        )

    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "conflict", "in_progress"}
    assert [may_sign_in(services, student, each) for each in passwords] == [each == "done" for each in outcomes]
    assert len(stored_passwords(services, student)) == 1


def test_a_step_begun_before_somebody_else_finished_comes_too_late(
    claims: Claims, services: Services, student: Student
) -> None:
    early, late = claims.match(ALBUM, RIGHT, HOME), claims.match(ALBUM, RIGHT, HOME)
    claims.set_password(early, PASSWORD, "pl")

    with pytest.raises(Conflict):
        claims.set_password(late, ANOTHER_PASSWORD, "pl")
    assert may_sign_in(services, student, PASSWORD)


def test_no_secret_gets_into_events(claims: Claims, databases: Databases, student: Student) -> None:
    outcome(lambda: claims.match(ALBUM, replace(RIGHT, id_end="7777", surname="Tajemnicza"), HOME))
    claims.set_password(claims.match(ALBUM, RIGHT, HOME), PASSWORD, "pl")

    for database in (databases.sessions, databases.identity):
        with database.read() as connection:
            text = json.dumps([list(map(str, row)) for row in connection.execute(select(event_pending))])
        assert not [secret for secret in ("7777", "1359", "Tajemnicza", "1905", PASSWORD, "argon2") if secret in text]
