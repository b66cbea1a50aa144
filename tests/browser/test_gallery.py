"""The parts of our pages, with invented content, in a real browser."""

import pytest

from tests.browser.checks import sideways_scroll_px, violations
from tests.browser.conftest import Open
from tests.browser.gallery import PAGES

EVERY_PAGE = (*PAGES, "no-such-page")


def test_axe_finds_nothing_on_any_part(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("pl")
    for name in EVERY_PAGE:
        page.goto(f"{gallery_url}/{name}")
        assert violations(page) == [], name


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_part_scrolls_sideways(open_browser: Open, gallery_url: str, width: int) -> None:
    page = open_browser("pl", width=width)
    for name in EVERY_PAGE:
        page.goto(f"{gallery_url}/{name}")
        assert sideways_scroll_px(page) <= 0, name


def test_text_at_twice_the_size_still_fits(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("pl", width=640)
    for name in EVERY_PAGE:
        page.goto(f"{gallery_url}/{name}")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert sideways_scroll_px(page) <= 0, name


def test_whatever_has_the_focus_shows_it(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("pl")
    page.goto(f"{gallery_url}/form")
    page.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if page.evaluate("document.activeElement === document.body"):
            break
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
    assert {"album", "given_name", "surname", "born", "note", "mail_name", "Dalej", "Anuluj"} <= seen


def test_the_first_tab_leads_past_the_top_bar(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("en")
    page.goto(f"{gallery_url}/home")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_wrong_form_is_read_from_its_summary_on(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("en")
    page.goto(f"{gallery_url}/form")
    assert page.evaluate("document.activeElement.className") == "summary"
    page.get_by_role("alert").get_by_role("link").first.click()
    assert page.evaluate("document.activeElement.id") == "album"


def test_a_password_can_be_shown_and_is_hidden_again_when_sent(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("en")
    page.goto(f"{gallery_url}/sign_in")
    secret = page.locator("#password")
    secret.fill("zażółć gęślą jaźń")
    page.get_by_role("button", name="Show the password").click()
    assert secret.get_attribute("type") == "text"
    page.get_by_role("button", name="Show the password").click()
    assert secret.get_attribute("type") == "password"


def test_without_scripts_no_button_appears_that_needs_one(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("en", scripts=False)
    page.goto(f"{gallery_url}/sign_in")
    assert not page.locator("button.reveal").is_visible()
    page.goto(f"{gallery_url}/table")
    assert not page.locator("button.copy").is_visible()


def test_the_pages_still_have_edges_in_forced_colours(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("pl")
    page.emulate_media(forced_colors="active")
    for name in EVERY_PAGE:
        page.goto(f"{gallery_url}/{name}")
        for edged in page.locator(".button:visible").all():
            assert edged.evaluate("element => getComputedStyle(element).borderTopStyle") == "solid"


def test_a_printed_page_has_no_controls(open_browser: Open, gallery_url: str) -> None:
    page = open_browser("pl")
    page.goto(f"{gallery_url}/table")
    page.emulate_media(media="print")
    assert not page.locator(".languages").is_visible()
    assert not page.locator(".copy").is_visible()
    assert page.get_by_text("20 9990 0009 7777 0000 0001 2345").is_visible()
