"""Debian's Chromium, as a student would use it."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from werkzeug.serving import make_server

from deploy.demo.people import Candidate, candidates
from deploy.demo.places import Places
from idp.app.installation import open_idp
from idp.app.settings import Settings
from idp.settings import load
from tests.browser.gallery import gallery
from tests.support.demo import RunningDemo

# Playwright's own browser cannot be downloaded everywhere; Debian's is in the list of packages. The other flags keep it
# from asking the world for updates and certificates.
LAUNCH: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--lang=en-US",  # of the browser itself, which orders the parts of a date field; pages go by the context's
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}

# How long a test waits for what a page must show: a busy machine may be slow, and nothing waits longer than it has to.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Page]
Meet = Callable[[], Candidate]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return browser_type_launch_args | LAUNCH


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a fresh browser window; what a page complains about fails the test.

    Shape:   open_browser("pl", width=320, scheme="dark", scripts=False)
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_browser(
        language: str = "pl", *, width: int = 1280, height: int = 800, scheme: str = "light", scripts: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale={"pl": "pl-PL", "en": "en-GB"}[language],
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
            # Animations would be in the way of contrast checks and screenshots.
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_browser
    for context in contexts:
        context.close()
    assert complaints == [], "the browser's console must stay empty"


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    # A page that answers with a failure status is no fault of the page.
    if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
        complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")


@pytest.fixture(scope="session")
def meet(demo: RunningDemo) -> Meet:
    """Return a function that gives a student who has no account yet; each call another one."""
    met: set[str] = {demo.access["unclaimed"]["album"]}
    settings = load(Settings, {"IDP_CONFIG": demo.access["config"]})

    def meet() -> Candidate:
        with open_idp(settings) as installation:
            found = candidates(installation, Places(demo.access_file.parent).sample)
        who = next(one for one in found if one.album not in met)
        met.add(who.album)
        return who

    return meet


@pytest.fixture(scope="session")
def gallery_url() -> Iterator[str]:
    """Serve the gallery of parts and return its address."""
    server = make_server("127.0.0.1", 0, Flask("not_yet"), threaded=True)
    server.app = gallery(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
