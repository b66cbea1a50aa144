"""Signing in: by every name, with one answer for every refusal, and truthfully when the directory is silent."""

import re
import threading
import unicodedata
from pathlib import Path

import pytest

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.drivers.ldap import Directory
from idp.drivers.ldap_values import AddValues, LdapServer, Replace
from idp.keys.key_files import Keys
from idp.people.account_queries import set_enabled
from idp.permissions import Actor
from idp.provisioning.targets.ldap import LOCK
from idp.sso import sessions
from idp.sso.sessions import Ended
from idp.sso.settings import SsoSettings
from tests.integration.cas.conftest import CLAIMED, PASSWORD, People
from tests.support.actors import SHELL
from tests.support.clock import ManualClock
from tests.support.hostile import HOSTILE
from tests.support.sign_on import Browser, SignOn, build_sign_on, give_password, silent_port, ticket_in
from tests.support.students import Student, add_student

APP = "http://127.0.0.1:9000/app"


@pytest.mark.parametrize("name", ["12345", "s12345@student.po.edu.pl", "S12345@STUDENT.PO.EDU.PL", "uid"])
def test_every_name_of_a_person_signs_them_in(visitor: Browser, people: People, name: str) -> None:
    answer = visitor.sign_in(people.anna.uid if name == "uid" else name, PASSWORD, service=APP)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(APP + "?ticket=ST-")


def test_a_password_typed_in_another_unicode_form_is_the_same_password(visitor: Browser) -> None:
    assert visitor.sign_in("12345", unicodedata.normalize("NFD", PASSWORD)).status_code == 303


def test_the_cookie_is_opaque_unreadable_for_scripts_and_goes_with_the_browser(visitor: Browser) -> None:
    (cookie,) = [one for one in visitor.sign_in("12345", PASSWORD).headers.getlist("Set-Cookie") if "idp_sso" in one]

    assert re.fullmatch(r"idp_sso=TGC-[A-Z2-7]{48}; HttpOnly; Path=/; SameSite=Lax", cookie)


REFUSED = {
    "unknown": ("99999", PASSWORD, "unknown"),
    "no such form": ("nobody at all", PASSWORD, "unreadable_identifier"),
    "wrong password": ("12345", "wrong", "wrong_password"),
    "unclaimed": ("54321", PASSWORD, "unclaimed"),
    "disabled": ("777", PASSWORD, "disabled"),
    "locked in the directory": ("888", PASSWORD, "wrong_password"),
    "no password": ("12345", "", "password_form"),
    "too long": ("12345", "x" * 129, "password_form"),
}


def test_every_refusal_looks_the_same_outside_and_differs_in_the_journal(
    sign_on: SignOn, clock: ManualClock, databases: Databases, keys: Keys, slapd: PrivateSlapd
) -> None:
    locked = add_student(databases, keys, Student("locked", album="888", claimed_at=CLAIMED))
    lock(slapd, give_password(slapd, locked.uid, PASSWORD), locked.person_id)
    seen = set()
    for name, password, reason in REFUSED.values():
        clock.advance(sign_on.service.settings.throttle.forget_s)  # three of them are one account's
        answer = sign_on.browser().sign_in(name, password, service=APP)
        body = re.sub(r"LT-[A-Z2-7]+", "LT", answer.text).replace(f'value="{name}"', "")
        headers = {key: value for key, value in answer.headers if key != "X-Request-Id"}
        headers["Content-Length"] = str(int(headers["Content-Length"]) - len(name))  # the name stands in the form again
        seen.add((answer.status, body, str(headers)))
        assert sign_on.events("sign_in.refused")[-1][1] == reason

    assert len(seen) == 1
    assert sign_on.events("sign_in.succeeded") == []


def lock(slapd: PrivateSlapd, dn: str, person_id: str) -> None:
    manager = Directory(LdapServer(slapd.url), slapd.manager_dn, slapd.password("manager"))
    manager.modify(dn, [AddValues("objectClass", ["idpPerson"]), Replace("idpOwner", [f"idp:{person_id}"])])
    manager.modify(dn, [LOCK])
    manager.close()


def test_what_was_typed_is_not_in_the_journal(sign_on: SignOn, visitor: Browser) -> None:
    visitor.sign_in("my password by mistake", "another secret")

    with sign_on.raw.lend() as raw:
        everything = str(raw.all("SELECT * FROM event_pending"))
    assert "mistake" not in everything
    assert "secret" not in everything


def test_a_sign_in_form_is_good_once(visitor: Browser) -> None:
    form = visitor.form(service=APP)
    credentials = {"username": "12345", "password": PASSWORD}

    assert visitor.client.post("/cas/login", data=form | credentials).status_code == 303
    assert visitor.client.post("/cas/login", data=form | credentials).status_code == 400


def test_a_spent_form_says_so_and_offers_a_new_one(visitor: Browser) -> None:
    form = visitor.form()
    visitor.client.post("/cas/login", data={**form, "username": "12345", "password": "wrong"})

    again = visitor.client.post("/cas/login", data={**form, "username": "12345", "password": PASSWORD})

    assert 'name="lt" value="LT-' in again.text
    assert form["lt"] not in again.text


def test_an_old_form_is_no_longer_good(visitor: Browser, clock: ManualClock) -> None:
    form = visitor.form()
    clock.advance(3601)

    assert (
        visitor.client.post("/cas/login", data={**form, "username": "12345", "password": PASSWORD}).status_code == 400
    )


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost"])
def test_a_form_from_another_origin_is_refused(visitor: Browser, origin: str) -> None:
    data = {**visitor.form(), "username": "12345", "password": PASSWORD}

    answer = visitor.client.post("/cas/login", data=data, headers={"Origin": origin})

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_a_form_from_our_own_origin_is_taken(visitor: Browser) -> None:
    data = {**visitor.form(), "username": "12345", "password": PASSWORD}
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}

    assert visitor.client.post("/cas/login", data=data, headers=headers).status_code == 303


def test_credentials_in_an_address_do_not_count(visitor: Browser) -> None:
    query = {"username": "12345", "password": PASSWORD, "lt": visitor.form()["lt"]}

    answer = visitor.client.post("/cas/login", query_string=query, data={"username": ""})

    assert answer.status_code == 401
    assert visitor.client.get("/cas/login", query_string=query).status_code == 200
    assert "TGC-" not in str(answer.headers)


def test_signing_in_again_gives_a_new_token_to_the_same_session(sign_on: SignOn, signed_in: Browser) -> None:
    before = signed_in.client.get_cookie("idp_sso")
    (session,) = sessions.list_of(sign_on.raw, sign_on.clock, "anna")

    signed_in.sign_in("12345", PASSWORD, renew="true", service=APP)

    after = signed_in.client.get_cookie("idp_sso")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert [one.session_id for one in sessions.list_of(sign_on.raw, sign_on.clock, "anna")] == [session.session_id]
    stolen = sign_on.browser()
    stolen.client.set_cookie("idp_sso", before.value)
    assert 'name="password"' in stolen.open("/cas/login").text


def test_a_planted_cookie_is_not_taken_over(visitor: Browser) -> None:
    visitor.client.set_cookie("idp_sso", "TGC-PLANTED")
    visitor.sign_in("12345", PASSWORD)

    cookie = visitor.client.get_cookie("idp_sso")

    assert cookie is not None
    assert cookie.value != "TGC-PLANTED"


def test_a_closed_account_ends_every_session_at_its_next_use(
    sign_on: SignOn, signed_in: Browser, databases: Databases
) -> None:
    assert signed_in.ticket(APP)
    with databases.identity.write() as connection:
        set_enabled(connection, "anna", False)

    assert 'name="password"' in signed_in.open("/cas/login", service=APP).text


def test_a_ticket_dies_with_the_account_that_it_was_issued_for(
    sign_on: SignOn, signed_in: Browser, databases: Databases
) -> None:
    ticket = signed_in.ticket(APP)
    with databases.identity.write() as connection:
        set_enabled(connection, "anna", False)
        set_enabled(connection, "anna", True)

    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


def test_sessions_are_listed_and_ended_one_by_one(sign_on: SignOn, people: People) -> None:
    browsers = [sign_on.browser() for _ in range(2)]
    for browser in browsers:
        browser.sign_in("12345", PASSWORD)
    first, second = sessions.list_of(sign_on.raw, sign_on.clock, "anna")

    assert sessions.end_one_of(sign_on.raw, sign_on.clock, "disabled", first.session_id, SHELL) == []
    assert len(sessions.list_of(sign_on.raw, sign_on.clock, "anna")) == 2
    sessions.end_one_of(sign_on.raw, sign_on.clock, "anna", first.session_id, Actor("anna", None))

    assert [one.session_id for one in sessions.list_of(sign_on.raw, sign_on.clock, "anna")] == [second.session_id]
    assert sign_on.events("session.ended") == [("anna", "revoked")]


def test_a_session_ends_when_nobody_uses_it_and_at_its_age(
    sign_on: SignOn, signed_in: Browser, clock: ManualClock
) -> None:
    settings = sign_on.service.settings
    for _ in range(4):  # used now and then, it goes on
        clock.advance(settings.idle_s - 1)
        assert signed_in.ticket(APP)
    clock.advance(settings.idle_s)
    assert 'name="password"' in signed_in.open("/cas/login", service=APP).text

    signed_in.sign_in("12345", PASSWORD)
    for _ in range(settings.lifetime_s // 3000):
        clock.advance(3000)
        signed_in.open("/cas/login")
    assert 'name="password"' in signed_in.open("/cas/login").text


def test_expired_sessions_are_swept_without_telling_applications(
    sign_on: SignOn, signed_in: Browser, clock: ManualClock
) -> None:
    signed_in.open("/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP))
    signed_in.ticket(APP)
    clock.advance(3 * 3600)

    assert sessions.sweep_expired(sign_on.raw, clock) == 1
    assert sign_on.tickets.drop_expired() == 1  # the ticket that nobody took
    assert sessions.sweep_expired(sign_on.raw, clock) == 0
    assert sign_on.events("session.ended") == [("anna", Ended.EXPIRED)]
    assert sign_on.sign_out.sweep() == 0


def test_remember_me_is_a_setting_and_reported(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People
) -> None:
    settings = SsoSettings(remember_me=True)
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as sign_on:
        browser = sign_on.browser()
        answer = browser.sign_in("12345", PASSWORD, {"rememberMe": "true"})
        clock.advance(settings.lifetime_s + 1)
        told = browser.open("/cas/p3/serviceValidate", service=APP, ticket=browser.ticket(APP)).text

    assert "Max-Age=1209600" in str(answer.headers)
    assert "<cas:longTermAuthenticationRequestTokenUsed>true<" in told


class TestWhenTheDirectoryIsSilent:
    """Nobody is locked, nothing is lost, and the page says what is true."""

    def test_new_sign_ins_get_a_truthful_page_and_sessions_go_on(self, sign_on: SignOn, signed_in: Browser) -> None:
        with silent_port() as listener:
            server = LdapServer(f"ldap://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3)
            directory = Directory(server, "cn=signin", "secret")
            _replace_directory(sign_on, directory)
            answer = sign_on.browser().sign_in("12345", PASSWORD)
            directory.close()

        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert signed_in.ticket(APP)
        assert sign_on.events("sign_in.refused") == [("anna", "directory_unavailable")]

    def test_a_directory_that_is_gone_is_noticed_at_once(self, sign_on: SignOn) -> None:
        with silent_port() as listener:
            port = listener.getsockname()[1]
        _replace_directory(sign_on, Directory(LdapServer(f"ldap://127.0.0.1:{port}"), "cn=signin", "secret"))

        assert sign_on.browser().sign_in("12345", PASSWORD).status_code == 503


def test_a_wrong_password_is_refused_and_counted_also_where_our_own_account_is_refused(
    sign_on: SignOn, slapd: PrivateSlapd
) -> None:
    directory = Directory(LdapServer(slapd.url), slapd.service_dn("signin"), "rotated")
    _replace_directory(sign_on, directory)

    refused = [sign_on.browser().sign_in("12345", "wrong").status_code for _ in range(4)]
    directory.close()

    assert refused == [401] * 4
    assert [reason for _, reason in sign_on.events("sign_in.refused")] == ["wrong_password"] * 3 + ["captcha_due"]


def _replace_directory(sign_on: SignOn, directory: Directory) -> None:
    sign_on.service.check_password.directory.close()
    object.__setattr__(sign_on.service.check_password, "directory", directory)


def test_parallel_answers_to_one_form_sign_in_once(sign_on: SignOn, visitor: Browser) -> None:
    data = {**visitor.form(), "username": "12345", "password": PASSWORD}
    pre_session = visitor.client.get_cookie("idp_pre")
    assert pre_session is not None
    statuses: list[int] = []

    def send() -> None:
        client = sign_on.browser().client
        client.set_cookie("idp_pre", pre_session.value)
        statuses.append(client.post("/cas/login", data=data).status_code)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [303, 400, 400, 400]


def test_the_ticket_after_a_sign_in_is_from_a_new_login(visitor: Browser) -> None:
    first = ticket_in(visitor.sign_in("12345", PASSWORD, service=APP))
    later = visitor.ticket(APP)

    assert "isFromNewLogin>true<" in visitor.open("/cas/p3/serviceValidate", service=APP, ticket=first).text
    assert "isFromNewLogin>false<" in visitor.open("/cas/p3/serviceValidate", service=APP, ticket=later).text


@pytest.mark.parametrize("field", ["username", "password"])
def test_an_over_long_field_is_refused_before_anything_is_asked(visitor: Browser, sign_on: SignOn, field: str) -> None:
    data = {**visitor.form(), "username": "12345", "password": PASSWORD, field: HOSTILE}

    answer = visitor.client.post("/cas/login", data=data, headers={"Accept": "application/json"})

    assert (answer.status_code, answer.get_json()["code"]) == (413, "too_long")
    assert sign_on.events("sign_in.refused") == []


def test_showing_the_form_stores_nothing(sign_on: SignOn, visitor: Browser) -> None:
    tables = ("one_time", "used_login_ticket", "session", "event_pending", "failed_sign_in", "known_device")

    def rows() -> list[int]:
        with sign_on.raw.lend() as raw:
            return [int(raw.all(f"SELECT count(*) FROM {table}")[0][0]) for table in tables]  # noqa: S608 - names above

    before = rows()
    for _ in range(3):
        assert visitor.open("/cas/login", service=APP).status_code == 200
    assert sign_on.browser().open("/cas/login").status_code == 200

    assert rows() == before


def test_a_form_counts_in_the_browser_that_got_it(sign_on: SignOn, visitor: Browser) -> None:
    fields = visitor.form()
    other = sign_on.browser()
    other.form()

    for browser in (other, sign_on.browser()):
        answer = browser.client.post("/cas/login", data={**fields, "username": "12345", "password": PASSWORD})
        assert answer.status_code == 400
        assert "idp_sso" not in str(answer.headers)
    assert (
        visitor.client.post("/cas/login", data={**fields, "username": "12345", "password": PASSWORD}).status_code == 303
    )


def test_without_our_cookie_the_form_says_so(visitor: Browser) -> None:
    fields = visitor.form(lang="en")
    visitor.client.delete_cookie("idp_pre")

    answer = visitor.client.post("/cas/login?lang=en", data={**fields, "username": "12345", "password": PASSWORD})

    assert "Allow cookies for this site" in answer.text


def test_one_session_above_the_limit_of_an_account_ends_its_oldest(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People
) -> None:
    settings = SsoSettings(sessions_per_account=2)
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as sign_on:
        browsers = [sign_on.browser() for _ in range(3)]
        for browser in browsers:
            assert browser.sign_in("12345", PASSWORD).status_code == 303
            clock.advance(1)

        assert browsers[0].open("/cas/login", service=APP).status_code == 200
        assert [browser.open("/cas/login", service=APP).status_code for browser in browsers[1:]] == [303, 303]
        assert sign_on.events("session.ended") == [("anna", Ended.TOO_MANY)]
