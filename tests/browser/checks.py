"""What every page must pass."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# "best-practice" beside WCAG: landmarks, heading order, one h1.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page as it stands, one line per element.

    Effect:  none in the page; axe is evaluated beside it, which its content security policy does not forbid
    """
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"]
    ]


def sideways_scroll_px(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
