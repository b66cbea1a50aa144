"""What every page must pass."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize

# "best-practice" beside WCAG: landmarks, heading order, one h1.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SMALL_PHONE: ViewportSize = {"width": 320, "height": 640}
# The dark scheme changes colours and nothing else.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def check(page: Page) -> None:
    """Look at the page as it stands: with axe, in both schemes, and at 320 pixels."""
    assert violations(page) == [], page.url
    size = page.viewport_size
    page.set_viewport_size(SMALL_PHONE)
    assert sideways_scroll_px(page) <= 0, page.url
    if size is not None:
        page.set_viewport_size(size)


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page as it stands, in light and in dark, one line per element.

    Effect:  none in the page; axe is evaluated beside it, which its content security policy does not forbid
    """
    page.emulate_media(color_scheme="dark")
    dark = _run(page, COLOURS, "dark")
    page.emulate_media(color_scheme="light")
    return dark + _run(page, RULES, "light")


def _run(page: Page, rules: dict[str, Any], scheme: str) -> list[str]:
    found = Axe().run(page, options=rules).response["violations"]
    return [
        f"{scheme}: {one['impact']} {one['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"]
    ]


def sideways_scroll_px(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
