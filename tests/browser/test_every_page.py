"""Every page that links lead to, for each kind of visitor: no dead link, nothing that axe finds, in both languages."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from idp.web.languages import LANGUAGES
from tests.browser.checks import sideways_scroll_px, violations
from tests.browser.conftest import Open
from tests.browser.crawl import Found, crawl
from tests.support.demo import RunningDemo

# Who looks, and a page that only they find.
VISITORS = {"nobody": "/account/new", "student": "/software/mail", "clerk": "/staff"}


@pytest.mark.parametrize("visitor", VISITORS)
def test_every_page_is_reached_without_a_dead_link_and_fit_for_everybody(
    open_browser: Open, demo: RunningDemo, visitor: str
) -> None:
    page = open_browser("pl")
    arrive(page, demo, visitor)
    found = every_page(page, demo)

    assert found.broken == []
    assert VISITORS[visitor] in {urlsplit(address).path for address in found.pages}
    # Whether these answer is not ours to test; that they are written in full is.
    assert all(address.startswith("https://") for address in found.outside)
    assert [problem for language in LANGUAGES for problem in problems_of(page, demo, found.pages, language)] == []


def problems_of(page: Page, demo: RunningDemo, addresses: list[str], language: str) -> list[str]:
    """Return what axe finds, light and dark, and what is too wide for a small phone, with the page of each."""
    for front in fronts(demo):
        page.goto(f"{front}?lang={language}")  # remembered by either application
    problems = []
    for address in addresses:
        page.goto(address)
        if page.locator("html").get_attribute("lang") != language:
            problems.append(f"{address}: not in {language}")
        problems += [f"{address}, {language}: {problem}" for problem in violations(page)]
        page.set_viewport_size({"width": 320, "height": 640})
        if (wider_by := sideways_scroll_px(page)) > 0:
            problems.append(f"{address}, {language}: {wider_by} px wider than a small phone")
        page.set_viewport_size({"width": 1280, "height": 800})
    return problems


def arrive(page: Page, demo: RunningDemo, visitor: str) -> None:
    """Come to the front page, signed in as `visitor`."""
    if visitor == "nobody":
        page.goto(demo.access["base_url"])
        return
    who: dict[str, Any] = demo.access[visitor]
    page.goto(f"{demo.access['base_url']}/login")
    page.locator("[name=username]").fill(who["username"])
    page.locator("[name=password]").fill(who["password"])
    page.locator("main form button[type=submit]").click()
    page.locator(".account-name").wait_for()


def every_page(page: Page, demo: RunningDemo) -> Found:
    """Return what the links lead to from both front pages."""
    starts = [f"{demo.access['base_url']}/", f"{demo.access['fees_url']}/"]
    return crawl(
        page.context.request, starts, is_passed_over=lambda address: urlsplit(address).path.endswith("/logout")
    )


def fronts(demo: RunningDemo) -> list[str]:
    return [f"{demo.access['base_url']}/", f"{demo.access['fees_url']}/"]
