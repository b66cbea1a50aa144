"""SEED's steps 1 to 5 in a browser, against the running service, in Polish and in English."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.checks import check
from tests.browser.conftest import Meet, Open
from tests.browser.student import PASSWORD, WORDS, Student
from tests.support.demo import RunningDemo


@pytest.mark.parametrize("language", WORDS)
def test_a_student_gets_from_the_album_number_to_the_fees(
    open_browser: Open, meet: Meet, demo: RunningDemo, language: str
) -> None:
    student = Student(open_browser(language), meet(), WORDS[language])
    page, words = student.page, student.words

    # Step 1: the account
    student.claim(demo.access["base_url"])
    check(page)

    # Step 2: the portal; the album number is a username from the first minute on
    page.get_by_role("main").get_by_role("link", name=words.log_in).click()
    check(page)
    student.sign_in(student.who.album)
    expect(page.get_by_role("heading", level=1)).to_contain_text(student.who.surname)
    check(page)

    # Step 3: the mail account, its name chosen, the alias given with it
    address = student.create_mail_account()
    expect(page.get_by_role("main")).to_contain_text(f"s{student.who.album}@{address.partition('@')[2]}")
    check(page)

    # Step 4: another application, in another browser, by mail address and the same password
    student = Student(open_browser(language), student.who, words)
    page = student.page
    page.goto(demo.access["fees_url"])
    check(page)
    page.get_by_role("banner").get_by_role("link", name=words.log_in).click()
    student.sign_in(address)

    # Step 5: the fees
    expect(page.get_by_role("heading", level=1)).to_have_text(words.my_fees)
    assert student.has_own_account_number()
    main = page.get_by_role("main")
    expect(main).to_contain_text(words.only_yours)
    expect(main).to_contain_text(words.crediting_counts)
    expect(main.get_by_role("link", name=words.service_center)).to_be_visible()
    check(page)


def test_the_way_in_works_with_the_keyboard_alone(open_browser: Open, meet: Meet, demo: RunningDemo) -> None:
    who, words = meet(), WORDS["pl"]
    page = open_browser("pl")
    page.goto(demo.access["base_url"])
    press_link(page, words.create_new_account)
    for name, text in {"album": who.album, "given_name": who.given_name, "surname": who.surname}.items():
        tab_to(page, f"[name={name}]")
        page.keyboard.type(text)
    tab_to(page, "[name=date_of_birth]")
    page.keyboard.type(as_typed(who.date_of_birth))
    tab_to(page, "[name=id_end]")
    page.keyboard.type(who.id_end)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/password")
    for name in ("password", "password_again"):
        tab_to(page, f"[name={name}]")
        page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/done")
    press_link(page, words.log_in, within="main")
    expect(page.locator("[name=username]")).to_be_focused()  # only after the page has loaded
    page.keyboard.type(who.album)
    tab_to(page, "[name=password]")
    page.keyboard.type(PASSWORD)
    tab_to(page, "[name=warn]")
    page.keyboard.press("Space")
    assert page.locator("[name=warn]").is_checked()
    page.keyboard.press("Space")
    tab_to(page, "main button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(who.surname)


@pytest.mark.parametrize("language", WORDS)
def test_the_way_in_works_without_scripts(open_browser: Open, meet: Meet, demo: RunningDemo, language: str) -> None:
    student = Student(open_browser(language, scripts=False), meet(), WORDS[language])
    student.claim(demo.access["base_url"])
    student.page.get_by_role("main").get_by_role("link", name=student.words.log_in).click()
    student.sign_in(student.who.album)
    assert student.create_mail_account()


@pytest.mark.parametrize("language", WORDS)
def test_wrong_details_say_where_to_turn_and_when_to_come_back(
    open_browser: Open, meet: Meet, demo: RunningDemo, language: str
) -> None:
    student = Student(open_browser(language), meet(), WORDS[language])
    student.page.goto(f"{demo.access['base_url']}/account/new")
    student.fill_in_details(surname="Zupełnieinna")
    student.page.get_by_role("button", name=student.words.next).click()
    alert = student.page.get_by_role("alert")
    expect(alert.get_by_role("link", name=student.words.service_center)).to_be_visible()
    expect(alert).to_contain_text("12:00")
    check(student.page)
    student.fill_in_details()
    student.page.get_by_role("button", name=student.words.next).click()
    expect(student.page.locator("[name=password_again]")).to_be_visible()


@pytest.mark.parametrize("language", WORDS)
def test_what_is_missing_is_named_at_the_top_and_at_its_field(
    open_browser: Open, meet: Meet, demo: RunningDemo, language: str
) -> None:
    student = Student(open_browser(language), meet(), WORDS[language])
    page = student.page
    page.goto(f"{demo.access['base_url']}/account/new")
    student.fill_in_details(album="12a45", id_end="")
    page.get_by_role("button", name=student.words.next).click()
    links = page.get_by_role("alert").get_by_role("link")
    assert [link.get_attribute("href") for link in links.all()] == ["#album", "#id_end"]
    assert page.locator("#album").get_attribute("aria-invalid") == "true"
    assert page.locator("#surname").input_value() == student.who.surname
    check(page)


@pytest.mark.parametrize("language", WORDS)
def test_a_wrong_password_is_refused_in_words_and_in_the_end_asks_for_a_person(
    open_browser: Open, meet: Meet, demo: RunningDemo, language: str
) -> None:
    page, username = open_browser(language), meet().album
    page.goto(f"{demo.access['base_url']}/login")
    for _ in range(3):  # after the third failure in a row, a CAPTCHA is due
        page.locator("[name=username]").fill(username)
        page.locator("[name=password]").fill("to nie jest hasło")
        page.get_by_role("button", name=WORDS[language].sign_in_button, exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert page.locator("[name=password]").input_value() == ""
        assert page.locator("[name=username]").input_value() == username
    expect(page.locator("altcha-widget input[type=checkbox]")).to_be_checked()  # solved by itself
    page.locator(".captcha summary").click()
    expect(page.locator("[name=captcha]")).to_be_visible()
    check(page)


def test_one_sign_in_opens_both_applications_and_one_sign_out_closes_both(
    open_browser: Open, demo: RunningDemo
) -> None:
    page, words, student = open_browser("pl"), WORDS["pl"], demo.access["student"]
    page.goto(f"{demo.access['base_url']}/login")
    page.locator("[name=username]").fill(student["alias"])
    page.locator("[name=password]").fill(student["password"])
    page.get_by_role("button", name=words.sign_in_button, exact=True).click()
    page.wait_for_url(f"{demo.access['base_url']}/")

    page.goto(demo.access["fees_url"])
    page.get_by_role("banner").get_by_role("link", name=words.log_in).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(words.my_fees)  # nobody asked for a password again
    expect(page.get_by_role("main")).to_contain_text(student["album"])

    page.get_by_role("banner").get_by_role("button", name=words.sign_out).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(words.signed_out)
    page.goto(f"{demo.access['base_url']}/data")
    expect(page.get_by_role("heading", level=1)).to_have_text(words.enter_username)
    page.goto(f"{demo.access['fees_url']}/fees")
    expect(page.get_by_role("heading", level=1)).to_have_text(words.enter_username)


def test_the_language_is_kept_from_page_to_page(open_browser: Open, demo: RunningDemo) -> None:
    page = open_browser("pl")
    page.goto(demo.access["base_url"])
    page.get_by_role("link", name="EN", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name=WORDS["en"].create_new_account).click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def press_link(page: Page, name: str, within: str = "body") -> None:
    """Go to a link with the Tab key and follow it with Enter."""
    link = page.locator(within).get_by_role("link", name=name).first
    for _ in range(60):
        if link.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Enter")
            page.wait_for_load_state()
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {name}")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(60):
        if page.locator(selector).first.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {selector}")


def as_typed(day: str) -> str:
    """Return an ISO date as its parts are typed into the date field of a browser that speaks American English."""
    year, month, number = day.split("-")
    return month + number + year
