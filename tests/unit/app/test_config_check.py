"""`idp config check` refuses files that others may read or change, and names what is allowed and still risky."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from idp.accounts.settings import AccountsSettings, Detail
from idp.app.config_check import mistakes, warnings
from idp.app.settings import Settings
from idp.applications.settings import ApplicationsSettings
from idp.cli import idp
from idp.db.databases import open_databases
from idp.db.settings import StoreSettings
from idp.keys.key_files import create_missing_keys, load_keys
from idp.keys.settings import KeysSettings
from idp.people.directory import DirectorySettings
from idp.settings import read_secret
from idp.sso.settings import SsoSettings, ThrottleSettings
from idp.web.settings import WebSettings

BEHIND_A_PROXY = WebSettings(base_url="https://id.example", trusted_proxies=1)


def web(**values: Any) -> dict[str, WebSettings]:
    return {"web": WebSettings(**{"base_url": "https://id.example", "trusted_proxies": 1, **values})}


@pytest.mark.parametrize(
    ("sections", "warned"),
    [
        ({}, ""),
        ({"sso": SsoSettings(throttle=ThrottleSettings(enabled=False))}, "sso.throttle.enabled"),
        ({"sso": {"throttle": {"shared_networks": ["::/0"]}}}, "sso.throttle.shared_networks"),
        ({"sso": {"throttle": {"shared_networks": ["10.0.0.0/8"]}}}, ""),
        ({"sso": SsoSettings(captcha="off")}, "sso.captcha"),
        ({"sso": SsoSettings(waiting_checks=40)}, "web.blocking_threads"),
        (web(trusted_proxies=0), "web.trusted_proxies"),
        (web(base_url="http://id.example"), "web.base_url"),
        (web(hsts=""), "web.hsts"),
        (web(host="192.0.2.1"), "web.host"),
        ({"http": {"private_networks": ["0.0.0.0/0"]}}, "http.private_networks"),
        ({"http": {"private_networks": ["10.0.0.0/8"]}}, ""),
        ({"accounts": AccountsSettings(claim_details=[Detail.ID_END])}, "accounts.claim_details"),
        ({"accounts": AccountsSettings(password_min_length=8)}, "accounts.password_min_length"),
        ({"accounts": AccountsSettings(argon2_time_cost=1)}, "accounts.argon2_memory_kib"),
        ({"accounts": AccountsSettings(argon2_memory_kib=47104, argon2_time_cost=1)}, ""),
    ],
)
def test_what_is_risky_is_warned_of(sections: dict[str, object], warned: str, settings: Settings) -> None:
    found = warnings(Settings.model_validate({"web": BEHIND_A_PROXY, "keys": settings.keys, **sections}))

    assert [text.partition(" ")[0] for text in found] == ([warned] if warned else [])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation with keys, databases, a password file, an application and a settings file, all as they should."""
    (tmp_path / "idp.toml").write_text("[web]\n")
    (tmp_path / "idp.toml").chmod(0o640)
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "applications").mkdir(mode=0o755)
    (tmp_path / "applications" / "app.toml").touch(mode=0o644)
    settings = Settings(
        web=BEHIND_A_PROXY,
        store=StoreSettings(folder=tmp_path / "data"),
        keys=KeysSettings(folder=tmp_path / "keys"),
        directory=DirectorySettings(signin_password_file=tmp_path / "password"),
        applications=ApplicationsSettings(dirs=[tmp_path / "applications"]),
    )
    create_missing_keys(settings.keys)
    open_databases(settings.store).close()
    return settings


def test_missing_keys_are_warned_of(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "keys" / "matching.0001.key").unlink()
    (one_key,) = warnings(settings)
    shutil.rmtree(tmp_path / "keys")
    (folder,) = warnings(settings)

    assert "has no key for matching. Restore your keys from backup." in one_key
    assert "has no key for matching, pairwise, sealing, web, journal. Restore" in folder


def test_what_setup_makes_is_private_whatever_the_umask(settings: Settings, tmp_path: Path) -> None:
    loose = os.umask(0)
    try:
        open_databases(StoreSettings(folder=tmp_path / "fresh")).close()
    finally:
        os.umask(loose)

    assert mistakes(settings, [tmp_path / "idp.toml"]) == []
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "fresh").glob("*.db")} == {0o600}


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("password", 0o666, "directory.signin_password_file: "),
        ("password", 0o644, "directory.signin_password_file: "),
        ("keys/sealing.0001.key", 0o644, "keys.folder: "),
        ("data/identity.db", 0o644, "store.folder: "),
        ("applications", 0o777, "applications.dirs: "),
        ("applications/app.toml", 0o664, "applications.dirs: "),
        ("idp.toml", 0o666, "the settings file: "),
    ],
)
def test_a_file_that_others_may_read_or_change_is_refused(
    settings: Settings, tmp_path: Path, name: str, mode: int, said: str
) -> None:
    (tmp_path / name).chmod(mode)
    found = mistakes(settings, [tmp_path / "idp.toml"])

    assert [text.partition("/")[0] for text in found] == [said]
    assert "chmod" in found[0]
    assert str(tmp_path / name) in found[0]


def test_a_settings_file_with_a_password_is_for_nobody_else(settings: Settings, tmp_path: Path) -> None:
    url = "postgresql://idp:hidden@localhost/idp"
    (tmp_path / "idp.toml").write_text(f'[store]\npostgresql_url = "{url}"\n')
    (tmp_path / "idp.toml").chmod(0o644)
    on_postgresql = settings.model_copy(update={"store": StoreSettings.model_validate({"postgresql_url": url})})
    found = mistakes(on_postgresql, [tmp_path / "idp.toml"])

    assert len(found) == 1
    assert "chmod o=" in found[0]
    assert "hidden" not in found[0]


def test_a_password_file_that_is_missing_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "password").unlink()

    assert [text.split(":")[0] for text in mistakes(settings, [])] == ["directory.signin_password_file"]


@pytest.mark.parametrize("use", [lambda file: read_secret("x.password_file", file), lambda file: load_keys(of(file))])
def test_the_service_does_not_use_a_secret_that_others_may_read(tmp_path: Path, use: Callable[[Path], object]) -> None:
    create_missing_keys(KeysSettings(folder=tmp_path))
    file = tmp_path / "sealing.0001.key"
    file.chmod(0o644)

    with pytest.raises(Exception, match="others may read or change it \\(mode 644\\)"):
        use(file)


def of(key: Path) -> KeysSettings:
    return KeysSettings(folder=key.parent)


def check(*words: str, **environment: str) -> Result:
    return CliRunner(env={"IDP_CONFIG": None, **environment}).invoke(idp, ["config", "check", *words])


def test_it_says_that_no_settings_file_was_named() -> None:
    found = check(IDP_WEB__PORT="9000")

    assert found.exit_code == 0
    assert "IDP_CONFIG is not set" in found.output
    assert "IDP_WEB__PORT" in found.output


def test_it_names_the_files_that_it_checked(tmp_path: Path) -> None:
    file = tmp_path / "idp.toml"
    file.write_text("")
    file.chmod(0o600)

    assert json.loads(check("--json", IDP_CONFIG=str(file)).output)["checked"] == {"idp": [f"IDP_CONFIG={file}"]}
    assert str(file) in check(IDP_CONFIG=str(file)).output


@pytest.mark.parametrize(
    ("address", "is_taken"),
    [
        ("postgresql://idp:hidden@127.0.0.1/idp", True),
        ("postgresql://idp:hidden@[::1]:5432/idp", True),
        ("postgresql://idp@/idp?host=/run/postgresql", True),
        ("postgresql:///idp", True),
        ("postgresql://idp:hidden@db.example/idp?sslmode=verify-full&sslrootcert=system", True),
        ("postgresql://idp:hidden@db.example/idp", False),
        ("postgresql://idp:hidden@db.example/idp?sslmode=require", False),
        ("postgresql://idp:hidden@/idp?host=db.example", False),
        ("postgresql://idp:hidden@localhost/idp?host=localhost,db.example", False),
        ("postgresql://idp:hidden@/idp?host=db.example&host=localhost", False),
        ("postgresql://idp:hidden@localhost:5432,db.example:5432/idp", False),
        ("postgresql://idp:hidden@db.example/idp?sslmode=verify-full&sslmode=disable", False),
        ("postgresql://idp:hidden@Localhost:5432/idp", True),
    ],
)
def test_postgresql_on_another_machine_needs_verified_tls(address: str, is_taken: bool) -> None:
    found = check(IDP_STORE__POSTGRESQL_URL=address)
    said = found.output + str(found.exception or "")

    assert (found.exit_code == 0) is is_taken
    assert is_taken or "sslmode=verify-full" in said
    assert "hidden" not in said


@pytest.mark.parametrize("option", ["hostaddr=10.0.0.5", "service=other", "host=localhost&hostaddr=10.0.0.5"])
def test_an_address_of_postgresql_may_not_name_another_server_than_its_host(option: str) -> None:
    found = check(IDP_STORE__POSTGRESQL_URL=f"postgresql://idp:hidden@localhost/idp?{option}")

    assert found.exit_code != 0
    assert "leave out" in str(found.exception)


@pytest.mark.parametrize(
    ("address", "variable"),
    [("postgresql:///idp", "PGHOST"), ("postgresql:///idp", "PGSERVICE"), ("postgresql://localhost/idp", "PGHOSTADDR")],
)
def test_variables_of_postgresql_that_name_another_server_count(address: str, variable: str) -> None:
    found = check(IDP_STORE__POSTGRESQL_URL=address, **{variable: "10.0.0.5"})

    assert found.exit_code != 0
    assert "sslmode=verify-full" in str(found.exception)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("IDP_WEB__BASE_URL", "https://id.example/", "web.base_url: ends with a slash"),
        ("IDP_WEB__BASE_URL", "id.example", "web.base_url: begins neither with https:// nor with http://"),
        ("IDP_WEB__BASE_URL", "https://", "web.base_url: names no host"),
        ("IDP_WEB__BASE_URL", "https://id.example?x=1", "web.base_url: has a query"),
        ("IDP_UNIVERSITY__TIME_ZONE", "Europe/Opole", "university.time_zone: no time zone"),
        ("IDP_UNIVERSITY__TIME_ZONE", "Europe", "university.time_zone: no time zone"),
        ("IDP_UNIVERSITY__TIME_ZONE", "../etc/passwd", "university.time_zone: no time zone"),
        ("IDP_UNIVERSITY__NAME", '{"pl": "Politechnika"}', "university.name: has no text for en"),
        ("IDP_UNIVERSITY__SERVICE_CENTER_NAME", '{"pl": " ", "en": "x"}', "service_center_name: has no text for pl"),
    ],
)
def test_a_setting_that_would_fail_later_is_a_mistake_now(variable: str, value: str, said: str) -> None:
    found = check(**{variable: value})

    assert found.exit_code != 0
    assert said in str(found.exception)
