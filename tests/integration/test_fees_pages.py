"""The pages of the fees application, without a sign-in service beside them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.fees import sessions
from idp.fees.account_numbers import grouped
from idp.fees.app import new_application
from idp.fees.charges import NewCharge, record_charges
from idp.fees.database import Database, migrate, open_database
from idp.fees.ledger import load_ledger
from idp.fees.payments import NewPayment, record_payments
from idp.fees.settings import FeesWebSettings, Settings
from idp.fees.student_tables import find_student
from idp.fees.students import import_students
from idp.fees.values import Account
from tests.support.clock import ManualClock
from tests.support.fees import registry_export, sqlite_fees, student_row
from tests.unit.fees.factories import day

ZONE = "Europe/Warsaw"
SETTINGS = Settings(web=FeesWebSettings(trusted_hosts=["localhost"]))  # the test client's own host
LOGOUT = (
    '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="LR-1" Version="2.0">'
    "<samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>"
)


@dataclass
class Site:
    """The application, its database, and its clock."""

    database: Database
    clock: ManualClock
    settings: Settings

    def __post_init__(self) -> None:
        self.app = new_application(self.settings, self.database, b"k" * 64, self.clock)

    def browser(self, album: str = "", ticket: str = "ST-1") -> FlaskClient:
        """Return a browser, signed in as the student with `album` if one is given."""
        browser = self.app.test_client()
        if album:
            with self.database.write() as connection:
                token = sessions.start(connection, ticket, "u23456789", album, self.clock.timestamp(), 7200)
            browser.set_cookie("fees_session", token, domain="localhost")
        return browser

    def account(self, album: str) -> Account:
        with self.database.read() as connection:
            student = find_student(connection, album)
            assert student is not None
            return load_ledger(connection, student.student_id).accounts[0]


@pytest.fixture
def site(tmp_path: Path, clock: ManualClock) -> Iterator[Site]:
    with sqlite_fees(tmp_path / "fees") as database:
        rows = [student_row(), student_row(os_id="1002", nr_albumu="7", imie="Jan", nazwisko="Nowak")]
        import_students(database, SETTINGS.fees, ZONE, clock, registry_export(tmp_path / "export.csv", rows), "test")
        site = Site(database, clock, SETTINGS)
        charges = [
            NewCharge("12345", "Legitymacja", 2_200, day("2026-09-10"), "c1", "fees", "Student card"),
            NewCharge("12345", "Ubezpieczenie", 5_500, day("2026-09-15"), "c2", "fees"),
            NewCharge("12345", "Czesne, rata 1", 145_000, day("2026-09-28"), "c3", "fees", "Tuition, instalment 1"),
            NewCharge("12345", "Czesne, rata 2", 145_000, day("2026-10-17"), "c4", "fees", "Tuition, instalment 2"),
            NewCharge("7", "Cudza opłata", 99_900, day("2026-10-17"), "c5", "fees", "Somebody else's fee"),
        ]
        record_charges(database, SETTINGS.fees.kinds, clock, charges, "test")
        nrb = site.account("12345").nrb
        payments = [
            NewPayment(nrb, 2_200, day("2026-09-08"), day("2026-09-09"), "p1"),
            NewPayment(nrb, 5_500, day("2026-09-14"), day("2026-09-16"), "p2"),
            NewPayment(nrb, 45_000, None, day("2026-09-29"), "p3"),
        ]
        record_payments(database, ZONE, clock, payments, "test")
        yield site


def state_of(browser: FlaskClient) -> str:
    """Return the state of the sign-in that the browser began last."""
    cookie = browser.get_cookie("fees_login", domain="localhost")
    assert cookie is not None
    return cookie.value


def words(page: TestResponse) -> str:
    """Return what is read on the page, blanks reduced."""
    text = re.sub(r"<(script|style|head).*?</\1>", " ", page.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("\u00a0", " ").split())


def test_anybody_may_see_the_front_page_with_log_in_at_the_top_right(site: Site) -> None:
    page = site.browser().get("/?lang=en")

    assert page.status_code == 200
    assert '<a class="top-button" href="/login">Sign in</a>' in page.text


def test_fees_are_shown_only_after_signing_in(site: Site) -> None:
    page = site.browser().get("/fees")

    assert (page.status_code, page.location) == (303, "/login")


def test_log_in_leads_to_cas_with_our_address_the_state_of_the_cookie_and_the_language(site: Site) -> None:
    browser = site.browser()

    page = browser.get("/login?lang=en")

    state = state_of(browser)
    service = f"http%3A%2F%2Flocalhost%3A8081%2Flogin%3Fstate%3D{state}"
    assert page.status_code == 303
    assert len(state) == 22
    assert page.location == f"http://127.0.0.1:8080/cas/login?service={service}&locale=en"


def test_every_log_in_has_a_state_of_its_own(site: Site) -> None:
    browser = site.browser()
    states = set()
    for _ in range(3):
        browser.get("/login")
        states.add(state_of(browser))

    assert len(states) == 3


def test_a_student_reads_what_is_due_until_when_and_how_it_stands(site: Site) -> None:
    read = words(site.browser("12345").get("/fees?lang=en"))

    assert "To pay PLN 2,450.00" in read
    assert "of which overdue: PLN 1,000.00" in read
    assert "Tuition, instalment 1 28 September 2026 PLN 1,450.00 Overdue by 3 days" in read
    assert "Credited so far: PLN 450.00, left to pay: PLN 1,000.00" in read
    assert (
        "17 October 2026 not a working day; payment by 19 October 2026 is on time PLN 1,450.00 Due in 18 days" in read
    )
    assert "Ubezpieczenie 15 September 2026 PLN 55.00 Paid late by 1 day paid on 16 September 2026" in read
    assert "Student card 10 September 2026 PLN 22.00 Paid paid on 9 September 2026" in read


def test_the_page_tells_the_account_number_whose_it_is_and_which_day_counts(site: Site) -> None:
    page = site.browser("12345").get("/fees?lang=en")
    nrb = site.account("12345").nrb

    assert f"<strong>{grouped(nrb)}</strong>" in page.text
    assert f'data-copy="{nrb}"' in page.text
    assert f'data-copy="PL{nrb}"' in page.text
    read = words(page)
    assert "This number is yours alone" in read
    assert "not the date you order the transfer" in read
    assert "several business days" in read
    assert SETTINGS.university.service_center_url in page.text


def test_both_dates_of_a_payment_are_shown_and_the_one_that_counts_is_named(site: Site) -> None:
    read = words(site.browser("12345").get("/fees?lang=en"))

    assert "Credited on (this day counts) Ordered on Amount Settled" in read
    assert "29 September 2026 not known PLN 450.00 Tuition, instalment 1: PLN 450.00" in read
    assert "16 September 2026 14 September 2026 PLN 55.00 Ubezpieczenie : PLN 55.00" in read


def test_in_polish_money_and_dates_are_polish(site: Site) -> None:
    read = words(site.browser("12345").get("/fees?lang=pl"))

    assert "2 450,00 zł" in read
    assert "17 października 2026" in read
    assert "Czesne, rata 2" in read


def test_a_title_without_an_english_one_is_marked_as_polish(site: Site) -> None:
    assert '<span lang="pl">Ubezpieczenie</span>' in site.browser("12345").get("/fees?lang=en").text


def test_no_page_links_to_another_site_that_its_address_names(site: Site) -> None:
    answer = site.browser().get("/%5Cevil.example/x")

    assert answer.status_code == 404
    assert "evil" not in answer.text


def test_a_student_sees_nothing_of_anybody_else(site: Site) -> None:
    other = site.account("7").nrb

    page = site.browser("12345").get("/fees?lang=en").text

    for foreign in (other, grouped(other), "Somebody else", "Cudza", "Nowak", "999.00"):
        assert foreign not in page


def test_tables_are_tables_for_a_screen_reader(site: Site) -> None:
    page = site.browser("12345").get("/fees").text

    assert page.count("<caption") == page.count("<table") == 2
    assert page.count('scope="col"') == 8
    assert page.count('scope="row"') == 7


def test_the_state_moves_with_the_day(site: Site) -> None:
    site.clock.set(datetime(2026, 10, 1, 22, 30, tzinfo=UTC))  # half past midnight in Opole

    assert "Overdue by 4 days" in words(site.browser("12345").get("/fees?lang=en"))


def test_who_is_unknown_here_reads_when_data_come_next(site: Site) -> None:
    page = site.browser("999").get("/fees?lang=en")

    assert page.status_code == 200
    read = words(page)
    assert "You are signed in, but the fees system doesn't have your data yet." in read
    assert "The next transfer is on 2 October 2026 at 12:00" in read


def test_sign_out_ends_the_session_here_and_goes_on_to_cas(site: Site) -> None:
    browser = site.browser("12345")
    form = browser.get("/fees").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token is not None

    page = browser.post("/logout", data={"csrf_token": token[1]})

    assert page.status_code == 303
    assert page.location == "http://127.0.0.1:8080/cas/logout"
    assert browser.get("/fees").status_code == 303


def test_the_browser_may_follow_sign_out_to_cas(site: Site) -> None:
    policy = site.browser("12345").get("/fees").headers["Content-Security-Policy"]

    assert "form-action 'self' http://127.0.0.1:8080;" in policy


def test_sign_out_without_our_form_is_refused(site: Site) -> None:
    browser = site.browser("12345")

    assert browser.post("/logout").status_code == 400
    assert browser.get("/fees").status_code == 200


def test_single_logout_ends_the_session_of_its_ticket_and_no_other(site: Site) -> None:
    one, other = site.browser("12345", "ST-1"), site.browser("7", "ST-2")

    answer = site.browser().post("/login?state=s", data={"logoutRequest": LOGOUT.format("ST-1")})

    assert answer.status_code == 200
    assert one.get("/fees").status_code == 303
    assert other.get("/fees").status_code == 200


@pytest.mark.parametrize("text", ["", "<a/>", "<!DOCTYPE a []><a/>", "x" * 30_000])
def test_a_broken_single_logout_request_is_refused_and_ends_nothing(site: Site, text: str) -> None:
    browser = site.browser("12345")

    assert site.browser().post("/login", data={"logoutRequest": text}).status_code == 400
    assert browser.get("/fees").status_code == 200


def test_a_ticket_in_a_browser_that_did_not_ask_signs_nobody_in(site: Site) -> None:
    """Otherwise a link with somebody else's ticket would show their account number as one's own."""
    browser = site.browser()

    page = browser.get("/login?ticket=ST-9-foreign&lang=en")

    assert page.status_code == 403
    assert "was started in another browser" in words(page)
    assert browser.get_cookie("fees_session", domain="localhost") is None


def test_a_ticket_for_somebody_who_is_signed_in_already_is_left_alone(site: Site) -> None:
    page = site.browser("12345").get("/login?ticket=ST-9-foreign")

    assert (page.status_code, page.location) == (303, "/fees")


def test_an_expired_session_asks_cas_again(site: Site) -> None:
    browser = site.browser("12345")
    site.clock.advance(7200)

    assert browser.get("/fees").status_code == 303


def test_over_https_cookies_belong_to_this_host_alone(tmp_path: Path, clock: ManualClock) -> None:
    web = SETTINGS.web.model_copy(update={"base_url": "https://fees.po.edu.pl"})
    with sqlite_fees(tmp_path / "fees") as database:
        site = Site(database, clock, SETTINGS.model_copy(update={"web": web}))

        page = site.browser().get("/login", base_url="https://fees.po.edu.pl")

    cookie = page.headers["Set-Cookie"]
    assert cookie.startswith("__Host-fees_login=")
    for mark in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert mark in cookie


def test_health_says_whether_the_database_is_at_this_version(tmp_path: Path, clock: ManualClock) -> None:
    database = open_database(SETTINGS.fees.model_copy(update={"folder": tmp_path / "fees"}))
    browser = Site(database, clock, SETTINGS).browser()

    before = browser.get("/readyz")
    migrate(database)
    after = browser.get("/readyz")
    database.close()

    assert browser.get("/healthz").json == {"status": "ok"}
    assert (before.status_code, before.json) == (503, {"status": "down", "parts": {"database": "down"}})
    assert (after.status_code, after.json) == (200, {"status": "ok", "parts": {"database": "ok"}})
