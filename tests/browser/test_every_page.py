"""Every page that links lead to, for each kind of visitor: no dead link, nothing that axe finds, in both languages."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.checks import sideways_scroll_px, violations
from tests.browser.conftest import Open
from tests.browser.crawl import Found, crawl
from tests.browser.student import WORDS
from tests.support.demo import RunningDemo

# Who looks, and a page that only they find.
VISITORS = {"nobody": "/account/new", "student": "/software/mail", "clerk": "/staff"}


@pytest.fixture(params=VISITORS)
def visitor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_no_link_is_dead(open_browser: Open, demo: RunningDemo, visitor: str) -> None:
    page = open_browser("pl")
    arrive(page, demo, visitor)
    found = every_page(page, demo)

    assert found.broken == []
    assert VISITORS[visitor] in {urlsplit(address).path for address in found.pages}
    # Whether these answer is not ours to test; that they are written in full is.
    assert all(address.startswith("https://") for address in found.outside)


@pytest.mark.parametrize("language", WORDS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_browser: Open, demo: RunningDemo, visitor: str, language: str
) -> None:
    page = open_browser(language)
    arrive(page, demo, visitor)
    problems = []
    for address in every_page(page, demo).pages:
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == language
        problems += [f"{address}, {problem}" for problem in violations(page)]
        page.set_viewport_size({"width": 320, "height": 640})
        if (wider_by := sideways_scroll_px(page)) > 0:
            problems.append(f"{address}: {wider_by} px wider than a small phone")
        page.set_viewport_size({"width": 1280, "height": 800})
    assert problems == []


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
