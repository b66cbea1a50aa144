"""A student on the way of SEED's steps 1 to 5: what is clicked and typed, in either language."""

import re
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from deploy.demo.people import Candidate

PASSWORD = "siedem zielonych łódek na strychu"  # with letters outside ASCII, as people have them


@dataclass(frozen=True, slots=True)
class Words:
    """What the student reads on links, buttons and headings."""

    create_new_account: str
    next: str
    create_account: str
    account_is_ready: str
    log_in: str
    enter_username: str
    sign_in_button: str
    software: str
    create_an_account: str
    mail_account: str
    my_fees: str
    only_yours: str
    crediting_counts: str
    service_center: str
    sign_out: str
    signed_out: str


WORDS = {
    "pl": Words(
        create_new_account="Załóż nowe konto",
        next="Dalej",
        create_account="Załóż konto",
        account_is_ready="Twoje konto jest gotowe",
        log_in="Zaloguj się",
        enter_username="Podaj nazwę użytkownika i hasło",
        sign_in_button="Zaloguj się",
        software="Oprogramowanie (Office 365)",
        create_an_account="Załóż konto",
        mail_account="Twoje konto e-mail",
        my_fees="Moje opłaty",
        only_yours="przeznaczony wyłącznie dla Ciebie",
        crediting_counts="Liczy się data uznania rachunku",
        service_center="Centrum Obsługi Studenta",
        sign_out="Wyloguj się",
        signed_out="Wylogowano",
    ),
    "en": Words(
        create_new_account="Create new account",
        next="Next",
        create_account="Create account",
        account_is_ready="Your account is ready",
        log_in="Sign in",
        enter_username="Enter your username and password",
        sign_in_button="Sign in",
        software="Software (Office 365)",
        create_an_account="Create an account",
        mail_account="Your e-mail account",
        my_fees="My fees",
        only_yours="for you only",
        crediting_counts="The crediting date counts",
        service_center="Student Service Center",
        sign_out="Sign out",
        signed_out="You are signed out",
    ),
}


@dataclass(frozen=True, slots=True)
class Student:
    """One student with one browser window."""

    page: Page
    who: Candidate
    words: Words

    def claim(self, base_url: str) -> None:
        """Step 1: create the account."""
        self.page.goto(base_url)
        self.page.get_by_role("link", name=self.words.create_new_account).click()
        self.fill_in_details()
        self.page.get_by_role("button", name=self.words.next).click()
        self.choose_password()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.words.account_is_ready)

    def fill_in_details(self, **wrong: str) -> None:
        """Type what is asked; `wrong` replaces a detail."""
        who = self.who
        details = {
            "album": who.album,
            "given_name": who.given_name,
            "surname": who.surname,
            "date_of_birth": who.date_of_birth,
            "id_end": who.id_end,
        }
        for name, value in (details | wrong).items():
            self.page.locator(f"[name={name}]").fill(value)

    def choose_password(self) -> None:
        self.page.locator("[name=password]").fill(PASSWORD)
        self.page.locator("[name=password_again]").fill(PASSWORD)
        self.page.get_by_role("button", name=self.words.create_account).click()

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Fill in the sign-in page, which must be there."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.words.enter_username)
        self.page.locator("[name=username]").fill(username)
        self.page.locator("[name=password]").fill(password)
        self.page.get_by_role("button", name=self.words.sign_in_button, exact=True).click()

    def create_mail_account(self) -> str:
        """Step 3: choose the first proposal; return the primary address."""
        self.page.get_by_role("banner").get_by_role("link", name=self.words.software).click()
        self.page.get_by_role("link", name=self.words.create_an_account).click()
        first = self.page.get_by_role("radio").first
        first.check()
        name = first.get_attribute("value")
        self.page.get_by_role("button", name=self.words.create_an_account).click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.words.mail_account)
        address = self.page.locator(".copyable-text").first.inner_text()
        assert address.startswith(f"{name}@")
        return address

    def has_own_account_number(self) -> bool:
        """Step 5: tell whether the page shows an individual account number: 26 digits in groups."""
        return re.search(r"\b\d{2}(?: \d{4}){6}\b", self.page.get_by_role("main").inner_text()) is not None
