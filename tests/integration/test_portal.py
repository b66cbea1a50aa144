"""eStudent's pages, walked without JavaScript over a real directory."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.accounts.holding import one_at_a_time
from idp.app.installation import Idp
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.permissions import Role
from idp.portal.settings import PortalSettings
from tests.support.accounts import PASSWORD, Services
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.installation import Browser, installed, settings_for, text_of
from tests.support.students import Student, add_student

DETAILS = {
    "album": "12345",
    "given_name": "Zaneta",
    "surname": "Zdzblo Cwik",
    "date_of_birth": "1905-03-14",
    "id_end": "1359",
}
PASSWORDS = {"password": PASSWORD, "password_again": PASSWORD}


@pytest.fixture
def services(slapd: PrivateSlapd) -> Iterator[Services]:
    """The running slapd, without anybody in it."""
    with Services(slapd) as services:
        yield services


@pytest.fixture
def installation(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, tmp_path: Path
) -> Iterator[Idp]:
    portal = PortalSettings(fees_url="http://localhost:8081/")
    with installed(settings_for(databases, services.slapd, tmp_path, portal=portal), clock) as installation:
        yield installation


@pytest.fixture
def estudent(installation: Idp) -> Browser:
    return Browser(installation)


@pytest.fixture
def student(databases: Databases, keys: Keys) -> Student:
    return add_student(databases, keys, Student("p1"))


def claim(estudent: Browser) -> None:
    """Create the account of DETAILS."""
    estudent.send("/account/new", DETAILS)
    estudent.send("/account/password", PASSWORDS)


def test_a_student_walks_from_the_album_number_to_a_mail_address(estudent: Browser, student: Student) -> None:
    assert "Create new account" in text_of(estudent.open("/"))

    matched = estudent.send("/account/new", DETAILS)
    assert (matched.status_code, matched.headers["Location"]) == (303, "/account/password")
    done = estudent.follow(estudent.send("/account/password", PASSWORDS))
    assert "Your account is ready" in text_of(done)

    home = estudent.sign_in("12345", PASSWORD)
    assert "Hello, Żaneta Źdźbło-Ćwik" in text_of(home)
    assert "Next step: your e-mail account" in text_of(home)

    assert "s12345@student.po.edu.pl" in text_of(estudent.open("/software"))
    form = estudent.open("/software/mail")
    assert 'value="zaneta.zdzblo-cwik"' in form.get_data(as_text=True)
    mail = estudent.follow(estudent.send("/software/mail", {"mail_name": "zaneta.zdzblo-cwik"}))
    for words in (
        "Your e-mail account has been created.",
        "zaneta.zdzblo-cwik@student.po.edu.pl",
        "s12345@student.po.edu.pl",
        "E-mail sent to the alias is forwarded",
    ):
        assert words in text_of(mail)

    out = estudent.follow(estudent.send("/", {}, action="/logout"))
    assert "You are signed out" in text_of(out)
    assert "Sign in" in text_of(estudent.open("/"))
    for name in ("zaneta.zdzblo-cwik@student.po.edu.pl", "s12345@student.po.edu.pl", student.uid):
        assert "Hello" in text_of(estudent.sign_in(name, PASSWORD))
        estudent.follow(estudent.send("/", {}, action="/logout"))


REFUSED = {
    "unknown": ({}, {"album": "999"}),
    "wrong": ({}, {"surname": "Kowalska"}),
    "claimed": ({"claimed_at": ManualClock().now()}, {}),
    "closed": ({"enabled": False}, {}),
}


def test_every_refused_claim_gets_the_same_page(databases: Databases, keys: Keys, installation: Idp) -> None:
    pages = set()
    for number, (what, (change, sent)) in enumerate(REFUSED.items()):
        album = str(1000 + number)
        add_student(databases, keys, Student(what, album=album, **change))  # type: ignore[arg-type] # the table above
        answer = Browser(installation).send("/account/new", {**DETAILS, "album": album, **sent})
        page = answer.get_data(as_text=True)
        for typed in (f'value="{album}"', 'value="999"', 'value="Kowalska"', 'value="Zdzblo Cwik"'):
            page = page.replace(typed, "")
        page = re.sub(r'name="csrf_token" value="[^"]+"', "", page)
        pages.add((answer.status_code, page))

    assert len(pages) == 1
    assert pages.pop()[0] == 403


def test_a_refusal_says_where_the_service_center_is_and_when_to_retry(estudent: Browser) -> None:
    answer = estudent.send("/account/new", DETAILS)

    assert "https://www.cos.po.opole.pl" in answer.get_data(as_text=True)
    assert "you can create your account from 12:00 on Friday, 2 October 2026" in text_of(answer)


def test_a_refused_form_keeps_what_was_typed_but_not_the_end_of_the_national_id(estudent: Browser) -> None:
    page = estudent.send("/account/new", DETAILS).get_data(as_text=True)

    assert 'value="Zdzblo Cwik"' in page
    assert 'value="1905-03-14"' in page
    assert "1359" not in page


def test_after_five_tries_the_page_says_so(estudent: Browser, student: Student) -> None:
    for _ in range(5):
        assert estudent.send("/account/new", {**DETAILS, "id_end": "0000"}).status_code == 403

    answer = estudent.send("/account/new", DETAILS)

    assert answer.status_code == 429
    assert "Too many attempts today" in text_of(answer)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("album", ""),
        ("album", "12a45"),
        ("album", "12345678901"),
        ("date_of_birth", ""),
        ("date_of_birth", "14 marca"),
        ("date_of_birth", "2007-02-30"),
        ("id_end", ""),
        ("id_end", "135"),
        ("surname", ""),
    ],
)
def test_an_unreadable_field_is_named_at_the_top_and_costs_no_try(
    estudent: Browser, student: Student, field: str, value: str
) -> None:
    sent = {**DETAILS, field: value}
    if field == "surname":
        sent["given_name"] = ""

    answer = estudent.send("/account/new", sent)

    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert f'<a href="#{field}">' in page
    assert f'id="{field}-error"' in page
    assert estudent.send("/account/new", DETAILS).status_code == 303


def test_a_form_without_its_token_changes_nothing(estudent: Browser, student: Student) -> None:
    assert estudent.client.post("/account/new", data=DETAILS).status_code == 400


def test_the_password_page_cannot_be_reached_without_the_first_step(estudent: Browser) -> None:
    assert estudent.open("/account/password").headers["Location"] == "/account/new"
    assert estudent.open("/account/done").headers["Location"] == "/account/new"


def test_a_step_that_took_too_long_begins_anew(estudent: Browser, student: Student, clock: ManualClock) -> None:
    estudent.send("/account/new", DETAILS)
    page = estudent.open("/account/password")
    assert "30 minutes" in text_of(page)
    clock.advance(1801)

    late = estudent.open("/account/password")
    assert late.status_code == 410
    assert "You ran out of time to choose a password" in text_of(late)


@pytest.mark.parametrize(
    ("password", "again", "field", "words"),
    [
        ("", "", "password", "Choose a password."),
        (PASSWORD, PASSWORD + "x", "password_again", "The passwords don't match."),
        ("krótkie", "krótkie", "password", "It needs at least 15 characters"),
        ("Żaneta ma kota i psa", "Żaneta ma kota i psa", "password", "contains your name or number"),
        ("politechnika opolska!", "politechnika opolska!", "password", "the name of the university"),
        ("passwordpassword", "passwordpassword", "password", "easy to guess"),
        ("ż" * 70, "ż" * 70, "password", "at most 128 bytes"),
    ],
)
def test_a_refused_password_is_told_which_rule_and_never_shown_again(
    estudent: Browser, student: Student, password: str, again: str, field: str, words: str
) -> None:
    estudent.send("/account/new", DETAILS)

    answer = estudent.send("/account/password", {"password": password, "password_again": again})

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert f'href="#{field}"' in answer.get_data(as_text=True)
    assert not password or password not in answer.get_data(as_text=True)


def test_a_second_click_while_the_password_is_being_set_keeps_the_step(
    estudent: Browser, student: Student, installation: Idp
) -> None:
    estudent.send("/account/new", DETAILS)
    with one_at_a_time(installation.databases, installation.clock, f"claim:{student.person_id}"):
        second = estudent.send("/account/password", PASSWORDS)

    assert second.status_code == 409
    assert "being set in another window" in text_of(second)
    assert estudent.send("/account/password", PASSWORDS).headers["Location"] == "/account/done"


def test_while_the_directory_is_down_the_page_says_so_and_the_step_lives_on(
    databases: Databases, keys: Keys, clock: ManualClock, services: Services, tmp_path: Path, student: Student
) -> None:
    settings = settings_for(databases, services.slapd, tmp_path)
    nowhere = settings.directory.model_copy(update={"url": "ldap://127.0.0.1:1"})
    with installed(settings.model_copy(update={"directory": nowhere}), clock) as cut_off:
        estudent = Browser(cut_off)
        estudent.send("/account/new", DETAILS)
        answer = estudent.send("/account/password", PASSWORDS)
        assert answer.status_code == 503
        assert "nothing is lost" in text_of(answer)
        cookie = estudent.client.get_cookie("idp_form")
    assert cookie is not None

    clock.advance(settings.provisioning.target_retry_s * 2)  # a target that failed is left alone for a moment
    with installed(settings, clock) as installation:
        again = Browser(installation)
        again.client.set_cookie("idp_form", cookie.value)
        done = again.follow(again.send("/account/password", PASSWORDS))
        assert "Your account is ready" in text_of(done)


def test_pages_of_students_ask_for_a_sign_in_and_lead_back(estudent: Browser, student: Student) -> None:
    claim(estudent)
    for path in ("/data", "/software", "/software/mail"):
        assert estudent.open(path).headers["Location"] == "/login"

    assert "Create an e-mail account" in text_of(estudent.sign_in("12345", PASSWORD))


def test_a_ticket_that_somebody_else_slipped_in_signs_nobody_in(
    estudent: Browser, installation: Idp, student: Student
) -> None:
    claim(estudent)
    victim = Browser(installation)

    login = estudent.open("/login").headers["Location"]
    answer = estudent.send(login, {"username": "12345", "password": PASSWORD})
    victim.client.get(answer.headers["Location"])

    assert "Sign in" in text_of(victim.open("/"))
    assert victim.open("/data").status_code == 303


def test_my_data_shows_what_the_registry_holds_and_no_national_id(estudent: Browser, student: Student) -> None:
    claim(estudent)
    estudent.sign_in("12345", PASSWORD)

    text = text_of(estudent.open("/data"))

    for shown in (
        "Żaneta",
        "Źdźbło-Ćwik",
        "14 March 1905",
        "12345",
        "Informatyka",
        "first cycle, full-time",
        "active",
        student.uid,
    ):
        assert shown in text
    assert "1359" not in text


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({}, 422, "Choose one of the addresses."),
        ({"mail_name": "own"}, 422, "Type the address you want."),
        ({"mail_name": "zaneta.zdzblo-cwik", "own_name": "zosia"}, 422, "Choose one of them."),
        ({"mail_name": "own", "own_name": "żaneta"}, 422, "without accents"),
        ({"mail_name": "own", "own_name": "s12345"}, 422, "looks like an album number"),
        ({"own_name": "dziekanat"}, 422, "reserved for university offices"),
        ({"own_name": "jan.kowalski"}, 409, "is already taken"),
    ],
)
def test_a_mail_name_that_cannot_be_had_is_explained_and_nothing_is_chosen(
    estudent: Browser,
    installation: Idp,
    databases: Databases,
    keys: Keys,
    student: Student,
    sent: dict[str, str],
    status: int,
    words: str,
) -> None:
    add_student(databases, keys, Student("p2", album="2"))
    installation.mail_names.choose("p2", "jan.kowalski")
    claim(estudent)
    estudent.sign_in("12345", PASSWORD)

    answer = estudent.send("/software/mail", sent)

    assert answer.status_code == status
    assert words in text_of(answer)
    assert installation.mail_names.addresses("p1").primary is None


def test_a_name_of_ones_own_can_be_chosen(estudent: Browser, student: Student) -> None:
    claim(estudent)
    estudent.sign_in("12345", PASSWORD)

    mail = estudent.follow(estudent.send("/software/mail", {"mail_name": "own", "own_name": "Zosia.Samosia"}))

    assert "zosia.samosia@student.po.edu.pl" in text_of(mail)
    again = estudent.follow(estudent.client.get("/software/mail"))
    assert "Create an account" not in text_of(again)


def test_staff_join_by_a_link_and_see_their_role_and_no_students_pages(
    estudent: Browser, installation: Idp, student: Student
) -> None:
    link = installation.staff_service.invite("anna@po.edu.pl", Role.OPERATOR, "Anna", "", actor=SHELL)
    path = link.removeprefix("http://localhost")
    assert "invited to join as: operator" in text_of(estudent.open(path))
    sent = {"given_name": "Anna", "surname": "Nowak", **PASSWORDS}

    assert "Your account is ready" in text_of(estudent.follow(estudent.send(path, sent)))
    assert estudent.open(path).status_code == 404
    home = estudent.sign_in("anna@po.edu.pl", PASSWORD)

    assert "Anna Nowak" in text_of(home)
    assert "operator" in text_of(home)
    assert "My data" not in text_of(home) + text_of(estudent.open("/help/account"))
    assert estudent.open("/data").status_code == 403
    assert estudent.open("/software/mail").status_code == 403


def test_students_do_not_see_the_page_of_staff(estudent: Browser, student: Student) -> None:
    claim(estudent)
    assert estudent.open("/staff").headers["Location"] == "/login"
    estudent.sign_in("12345", PASSWORD)

    assert estudent.open("/staff").status_code == 403


@pytest.mark.parametrize(
    "sent", [{"surname": ""}, {"surname": "=cmd"}, {"password": "krótkie", "password_again": "krótkie"}]
)
def test_a_wrong_form_of_staff_keeps_the_link_alive(estudent: Browser, installation: Idp, sent: dict[str, str]) -> None:
    link = installation.staff_service.invite("anna@po.edu.pl", Role.CLERK, "", "", actor=SHELL)
    path = link.removeprefix("http://localhost")

    answer = estudent.send(path, {"given_name": "Anna", "surname": "Nowak", **PASSWORDS, **sent})

    assert answer.status_code == 422
    assert estudent.open(path).status_code == 200


@pytest.mark.parametrize("language", ["pl", "en"])
@pytest.mark.parametrize("path", ["/", "/account/new", "/help/account", "/accessibility"])
def test_public_pages_open_in_both_languages_without_a_dead_link(estudent: Browser, path: str, language: str) -> None:
    answer = estudent.open(f"{path}?lang={language}")

    assert answer.status_code == 200
    assert f'<html lang="{language}">' in answer.get_data(as_text=True)
    for link in re.findall(r'href="(/[^"]*)"', answer.get_data(as_text=True)):
        assert estudent.open(link.replace("&amp;", "&")).status_code in (200, 303), link


def test_the_tile_for_fees_leads_where_the_setting_says(estudent: Browser, student: Student) -> None:
    claim(estudent)

    assert 'href="http://localhost:8081/"' in estudent.sign_in("12345", PASSWORD).get_data(as_text=True)


def test_addresses_that_people_and_programs_guess_lead_somewhere(estudent: Browser) -> None:
    assert estudent.open("/account/new/").status_code == 200
    assert estudent.open("/cas/").headers["Location"] == "/cas/login"
    assert estudent.open("/cas").headers["Location"] == "/cas/login"
    assert estudent.open("/.well-known/change-password").headers["Location"] == "/help/account#change-password"
    assert "change-password" in estudent.open("/help/account").get_data(as_text=True)


def test_a_page_that_is_not_there_still_says_who_is_signed_in(estudent: Browser, student: Student) -> None:
    claim(estudent)
    estudent.sign_in("12345", PASSWORD)

    assert "Żaneta" in text_of(estudent.open("/nothing-here"))
    refused = estudent.open("/staff")
    assert refused.status_code == 403
    assert "not signed in" not in text_of(refused)


def test_whoever_has_one_name_may_leave_the_given_name_empty(estudent: Browser) -> None:
    page = estudent.open("/account/new").get_data(as_text=True)

    fields = {name: tag for tag, name in re.findall(r'(<input[^>]* name="(\w+)"[^>]*>)', page)}
    assert " required" not in fields["given_name"]
    assert " required" in fields["surname"]


def test_a_link_that_was_replaced_or_used_says_so(installation: Idp, estudent: Browser) -> None:
    def invite() -> str:
        link = installation.staff_service.invite("ewa@po.edu.pl", Role.CLERK, "Ewa", "Lis", SHELL)
        return "/staff/join/" + link.rsplit("/", 1)[-1]

    replaced, newest = invite(), invite()
    old = estudent.open(replaced)
    installation.staff_service.join(newest.rsplit("/", 1)[-1], "Ewa", "Lis", PASSWORD, "en")
    used = estudent.open(newest)

    for page in (old, used):
        assert page.status_code == 404
        assert "It was used, replaced by a newer one" in text_of(page)
