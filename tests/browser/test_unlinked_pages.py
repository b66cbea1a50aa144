"""Pages that no link leads to: refusals, warnings, invitations. They must be as fit for everybody as the others."""

import json
import os
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from idp.web.languages import LANGUAGES
from tests.browser.checks import check
from tests.browser.conftest import Open
from tests.browser.student import WORDS
from tests.support.demo import RunningDemo

REFUSALS = {
    "/no-such-page": 404,
    "/account/nothing": 404,
    "/cas/login?service=https%3A%2F%2Funknown.example%2F": 403,
    "/cas/login?service=a&service=b": 400,
    "/staff/join/wrong": 404,
    "/logout": 405,
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_says_in_words_what_to_do(open_browser: Open, demo: RunningDemo, language: str) -> None:
    page = open_browser(language)
    for path, status in REFUSALS.items():
        answer = page.goto(demo.access["base_url"] + path)
        assert answer is not None
        assert answer.status == status, path
        expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()
        check(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_whoever_asked_for_a_warning_gets_one(open_browser: Open, demo: RunningDemo, language: str) -> None:
    page, student = open_browser(language), demo.access["student"]
    page.goto(f"{demo.access['base_url']}/login")
    page.locator("[name=username]").fill(student["mail"])
    page.locator("[name=password]").fill(student["password"])
    page.locator("[name=warn]").check()
    page.locator("main form button[type=submit]").click()
    page.wait_for_url(f"{demo.access['base_url']}/**")

    page.goto(f"{demo.access['fees_url']}/login")
    expect(page.get_by_role("main")).to_contain_text("localhost")
    check(page)
    page.locator("main form button[type=submit]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(WORDS[language].my_fees)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invitation_leads_to_a_staff_account(open_browser: Open, demo: RunningDemo, language: str) -> None:
    invited = ("staff", "invite", f"invited-{language}@po.edu.pl", "--role", "clerk", "--json")
    link = json.loads(idp(demo, *invited))["link"]
    page = open_browser(language)
    page.goto(link)
    check(page)
    page.locator("[name=given_name]").fill("Wiesława")
    page.locator("[name=surname]").fill("Okienko")
    for name in ("password", "password_again"):
        page.locator(f"[name={name}]").fill("trzy krzesła pod jabłonią")
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/staff/joined")
    check(page)
    page.goto(link)
    assert page.locator("[name=password]").count() == 0  # it works once


def idp(demo: RunningDemo, *words: str) -> str:
    """Run an `idp` command on the demo and return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "idp", *words],
        env=os.environ | {"IDP_CONFIG": demo.access["config"]},
        cwd=demo.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
