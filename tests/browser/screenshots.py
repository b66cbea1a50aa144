"""Take the pictures of docs/screenshots from a running demo: `.venv/bin/python -m tests.browser.screenshots`."""

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import LAUNCH

PROJECT = Path(__file__).parents[2]
ACCESS = PROJECT / "var" / "demo" / "access.json"
FOLDER = PROJECT / "docs" / "screenshots"
DESK = {"width": 1000, "height": 640}
PHONE = {"width": 390, "height": 760}


def main(access_file: Path) -> None:
    """Effect: the pictures are replaced"""
    access = json.loads(access_file.read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        page = _window(browser, "en-GB", DESK, "light")
        page.goto(f"{access['base_url']}/login")
        _take(page, "sign-in")
        _sign_in(page, access)
        _take(page, "estudent")
        _fees(page, access)
        _take(page, "fees")
        page = _window(browser, "pl-PL", PHONE, "light")
        page.goto(f"{access['base_url']}/account/new")
        _take(page, "phone")
        page = _window(browser, "pl-PL", PHONE, "dark")
        page.goto(f"{access['base_url']}/login")
        _sign_in(page, access)
        _fees(page, access)
        _take(page, "phone-dark")
        browser.close()


def _window(browser: Browser, locale: str, size: dict[str, int], scheme: str) -> Page:
    return browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        locale=locale,
        color_scheme="dark" if scheme == "dark" else "light",
    ).new_page()


def _sign_in(page: Page, access: dict[str, Any]) -> None:
    page.locator("[name=username]").fill(access["student"]["mail"])
    page.locator("[name=password]").fill(access["student"]["password"])
    page.locator("main form button[type=submit]").click()
    page.locator(".account-name").wait_for()


def _fees(page: Page, access: dict[str, Any]) -> None:
    page.goto(access["fees_url"])
    page.locator(".account .top-button").click()
    page.locator(".highlight").wait_for()


def _take(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ACCESS)
