"""While the database does not answer, everything is refused, and by a page of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr

from deploy.openldap.private import PrivateSlapd
from idp.app.pages import new_application
from idp.db.databases import Databases, identity_file, sessions_file
from idp.db.settings import StoreSettings
from idp.keys.key_files import Keys
from tests.support.clock import ManualClock
from tests.support.installation import installed, settings_for

LOOPBACK = """id = "app"
name = { pl = "App", en = "App" }
owner = "tests"
url = [{ host = "app.example", path_prefix = "/" }]
"""
SERVICE = "service=https://app.example/"
PATHS = [
    "/",
    "/data",
    "/account/new",
    "/cas/login",
    "/cas/logout",
    f"/cas/login?{SERVICE}",
    f"/cas/login?{SERVICE}&gateway=true",
]
QUESTIONS = [
    f"/cas/serviceValidate?{SERVICE}&ticket=ST-{'A' * 29}",
    f"/cas/p3/proxyValidate?{SERVICE}&ticket=ST-{'A' * 29}&pgtUrl=https://app.example/pgt",
    f"/cas/proxy?pgt=PGT-{'A' * 29}&targetService=https://app.example/",
]


def unreadable(folder: Path) -> StoreSettings:
    """SQLite, with something in the place of its file."""
    settings = StoreSettings(folder=folder)
    sessions_file(settings).mkdir(parents=True)
    identity_file(settings).touch()
    return settings


def silent(folder: Path) -> StoreSettings:
    """PostgreSQL, where nobody listens."""
    return StoreSettings(folder=folder, postgresql_url=SecretStr("postgresql://idp@127.0.0.1:1/idp"))


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    databases: Databases,
    keys: Keys,
    slapd: PrivateSlapd,
    tmp_path: Path,
    clock: ManualClock,
) -> Iterator[Flask]:
    settings = settings_for(databases, slapd, tmp_path, store=request.param(tmp_path / "away"))
    folder = tmp_path / "applications"
    folder.mkdir()
    (folder / "app.toml").write_text(LOOPBACK, encoding="utf-8")
    applications = settings.applications.model_copy(update={"dirs": [folder]})
    with installed(settings.model_copy(update={"applications": applications}), clock) as installation:
        yield new_application(installation)


@pytest.mark.parametrize(
    ("app", "path"),
    [*((unreadable, path) for path in PATHS), (silent, "/")],
    indirect=["app"],
)
def test_whoever_asks_gets_a_page_that_says_when_to_come_back(app: Flask, path: str) -> None:
    browser = app.test_client()
    browser.set_cookie("idp_sso", "TGC-" + "A" * 29)

    answer = browser.get(path)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "Location" not in answer.headers
    assert "Content-Security-Policy" in answer.headers
    assert answer.headers["X-Request-Id"] in answer.text


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("app", [unreadable], indirect=True)
def test_an_application_that_asks_gets_a_failure_in_the_form_that_it_reads(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)

    assert answer.status_code == 200
    assert 'Failure code="INTERNAL_ERROR"' in answer.text


@pytest.mark.parametrize("app", [unreadable], indirect=True)
def test_a_program_learns_that_a_retry_can_help(app: Flask) -> None:
    browser = app.test_client()
    browser.set_cookie("idp_sso", "TGC-" + "A" * 29)

    answer = browser.get("/", headers={"Accept": "application/json"})

    assert answer.json is not None
    assert answer.json["code"] == "store_unavailable"


@pytest.mark.parametrize("app", [unreadable], indirect=True)
def test_who_asks_whether_we_are_ready_is_told_what_is_not(app: Flask) -> None:
    answer = app.test_client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["parts"] == {"databases": "down", "directory": "ok", "worker": "down"}
    assert app.test_client().get("/healthz").status_code == 200
