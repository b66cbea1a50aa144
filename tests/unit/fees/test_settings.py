"""The fees application's own settings file."""

from pathlib import Path

import pytest

from idp.errors import ConfigError
from idp.fees.settings import SECTIONS, Settings
from idp.settings import FEES_PREFIX, Joined, example, load
from idp.web.settings import WebSettings


class Idp(Joined):
    """Some of the identity service's sections."""

    web: WebSettings = WebSettings()


def test_each_of_the_two_applications_reads_its_own_variables(tmp_path: Path) -> None:
    file = tmp_path / "fees.toml"
    file.write_text("[web]\nport = 9001\n[fees.kinds.fees]\nprefix = '7778'\n")
    environment = {"IDP_FEES_CONFIG": str(file), "IDP_FEES_CAS__TIMEOUT_S": "5", "IDP_WEB__PORT": "9000"}

    ours, theirs = load(Settings, environment, FEES_PREFIX), load(Idp, environment)

    assert (ours.web.port, theirs.web.port) == (9001, 9000)
    assert ours.cas.timeout_s == 5
    assert ours.fees.kinds["fees"].prefix == "7778"


def test_the_sign_in_services_cookies_stay_away_by_default() -> None:
    assert "localhost" in Settings().web.base_url
    assert "127.0.0.1" in Settings().cas.server_url
    assert Settings().web.port != WebSettings().port


@pytest.mark.parametrize(
    "variables",
    [
        {"IDP_FEES_FEES__BANK_CODE": "99900008"},
        {"IDP_FEES_FEES__BANK_CODE": "9990000"},
        {"IDP_FEES_CAS__SERVER_URL": "http://cas"},
        {"IDP_FEES_FEES__KINDS": '{"fees": {"prefix": "777"}}'},
        {"IDP_FEES_FEES__KINDS": '{"fees": {"currency": "JPY"}}'},
        {"IDP_FEES_FEES__COLOUR": "red"},
    ],
)
def test_a_setting_that_cannot_work_is_refused(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        load(Settings, variables, FEES_PREFIX)


def test_the_example_file_is_valid_and_says_what_holds_anyway(tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    file.write_text(example(SECTIONS), encoding="utf-8")

    assert load(Settings, {"IDP_FEES_CONFIG": str(file)}, FEES_PREFIX) == load(Settings, {}, FEES_PREFIX)


def test_the_values_of_the_example_file_are_toml(tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in example(SECTIONS).splitlines() if not line.startswith("# ")]
    file = tmp_path / "example.toml"
    text = "\n".join(line for line in lines if line != 'postgresql_url = ""')
    file.write_text(text, encoding="utf-8")

    assert load(Settings, {"IDP_FEES_CONFIG": str(file)}, FEES_PREFIX).fees.kinds == Settings().fees.kinds
