"""Registered services are matched as values, and the most exactly described one wins."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from idp.applications.assurance import Assurance
from idp.applications.files import Application, estudent
from idp.applications.matching import Applications
from idp.applications.urls import parse_url
from idp.errors import ConfigError

TODAY = date(2026, 10, 1)


def application(id_: str = "fees", **fields: Any) -> Application:
    rule = {"host": "fees.example", "path_prefix": "/"}
    return Application.model_validate(
        {
            "id": id_,
            "name": {"pl": "Opłaty", "en": "Fees"},
            "owner": "bursar",
            "url": [fields.pop("rule", rule)],
            **fields,
        }
    )


def matched(text: str, *applications: Application, today: date = TODAY) -> str | None:
    found = Applications.of(applications).match(parse_url(text), today)
    return found.id if found else None


@pytest.mark.parametrize(
    ("url", "is_registered"),
    [
        ("https://fees.example/", True),
        ("https://fees.example:443/login?x=1", True),
        ("http://fees.example/", False),
        ("https://fees.example:8443/", False),
        ("https://fees.example.evil.example/", False),
        ("https://evil.example/?https://fees.example/", False),
        ("https://fees.example/#/inbox", True),
    ],
)
def test_scheme_host_and_port_are_compared_whole(url: str, is_registered: bool) -> None:
    assert (matched(url, application()) is not None) is is_registered


def test_a_prefix_ends_at_a_slash() -> None:
    app = application(rule={"host": "a.example", "path_prefix": "/app"})

    assert matched("https://a.example/app", app)
    assert matched("https://a.example/app/x", app)
    assert matched("https://a.example/application", app) is None


def test_usosweb_is_matched_by_path_and_action_whatever_the_callback() -> None:
    usosweb = application(
        "usosweb",
        rule={"host": "usosweb.example", "path": "/kontroler.php", "query": {"_action": "logowaniecas/index"}},
    )
    address = "https://usosweb.example/kontroler.php?_action="

    assert matched(address + "logowaniecas/index&callback=aHR0cHM6", usosweb)
    assert matched(address + "logowaniecas%2Findex", usosweb)
    assert matched(address + "home", usosweb) is None
    assert matched(address + "logowaniecas/index&_action=home", usosweb) is None


@pytest.mark.parametrize(
    "name", [".action", "+_action", "%20_action", "_action[", "_action[]", "_action%5Bx%5D", "+.action"]
)
def test_a_fixed_parameter_that_php_would_read_again_under_another_spelling_does_not_match(name: str) -> None:
    usosweb = application(rule={"host": "usosweb.example", "path": "/k.php", "query": {"_action": "login"}})

    assert matched(f"https://usosweb.example/k.php?_action=login&{name}=evil", usosweb) is None
    assert matched(f"https://usosweb.example/k.php?{name}=login", usosweb) is None
    assert matched("https://usosweb.example/k.php?_action=login&.actions=1&_action_=2", usosweb)


def test_a_fixed_parameter_may_have_a_name_that_php_spells_otherwise() -> None:
    app = application(rule={"host": "a.example", "path": "/", "query": {"openid.mode": "x"}})

    assert matched("https://a.example/?openid.mode=x", app)
    assert matched("https://a.example/?openid.mode=x&openid_mode=y", app) is None
    assert matched("https://a.example/?openid.mode=x&openid[mode=y", app) is None


def test_the_more_exact_service_wins_over_any_port_of_loopback() -> None:
    loopback = application("loopback", rule={"schemes": ["http"], "host": "127.0.0.1", "port": "*", "path_prefix": "/"})
    portal = estudent("http://127.0.0.1:8080")

    assert matched("http://127.0.0.1:8080/login/return", loopback, portal) == "estudent"
    assert matched("http://127.0.0.1:8080/login/return", portal, loopback) == "estudent"
    assert matched("http://127.0.0.1:8081/login/return", loopback, portal) == "loopback"


def test_an_expired_service_is_not_there_any_more() -> None:
    fees = application(expires=date(2026, 10, 1))

    assert matched("https://fees.example/", fees, today=date(2026, 9, 30)) == "fees"
    assert matched("https://fees.example/", fees, today=date(2026, 10, 1)) is None


def test_a_registration_may_refuse_fragments() -> None:
    app = application(rule={"host": "plain.example", "path_prefix": "/", "fragments": False})

    assert matched("https://plain.example/", app)
    assert matched("https://plain.example/#/inbox", app) is None


def test_letters_beyond_ascii_match_their_escapes() -> None:
    app = application(rule={"host": "a.example", "path_prefix": "/opłaty"})

    assert matched("https://a.example/opłaty/x?b=ż", app)
    assert matched("https://a.example/op%C5%82aty", app)
    assert matched("https://a.example/oplaty", app) is None


@pytest.mark.parametrize(
    ("url", "id_"),
    [
        ("https://a.example/app/x%2Fy", "app"),
        ("https://a.example/app%2Fx", None),  # with a slash there it is another application's
        ("https://a.example/app/admin%2Fx", None),
        ("https://a.example/other%2Fx", "host"),
    ],
)
def test_an_escaped_slash_leads_to_no_other_application(url: str, id_: str | None) -> None:
    host = application("host", rule={"host": "a.example", "path_prefix": "/"})
    app = application("app", rule={"host": "a.example", "path_prefix": "/app"})
    admin = application("admin", rule={"host": "a.example", "path_prefix": "/app/admin"})

    assert matched(url, host, app, admin) == id_


TABLES = {
    "id": "fees",
    "name": {"pl": "Opłaty", "en": "Fees"},
    "owner": "bursar",
    "contact": "fees@po.edu.pl",
    "links": {"help": "https://po.edu.pl/fees"},
    "required_assurance": "second_factor",
    "attributes": ["album"],
    "cas": {"principal": "mail", "url": [{"host": "fees.example", "path_prefix": "/"}]},
}


def test_what_a_protocol_needs_may_stand_in_its_own_table() -> None:
    app = Application.model_validate(TABLES)

    assert matched("https://fees.example/", app) == "fees"
    assert app.cas.principal == "mail"
    assert app.required_assurance is Assurance.SECOND_FACTOR


def test_a_file_without_tables_says_the_same() -> None:
    cas = {"principal": "mail", "url": [{"host": "fees.example", "path_prefix": "/"}]}
    common = {name: value for name, value in TABLES.items() if name not in ("cas", "required_assurance")}
    flat = common | cas | {"second_factor": "demanded"}

    assert Application.model_validate(flat) == Application.model_validate(TABLES)


def test_an_application_may_have_no_cas_addresses() -> None:
    app = Application.model_validate(
        {name: value for name, value in TABLES.items() if name != "cas"}
        | {"oidc": {"redirect_uris": ["https://fees.example/return"]}}
    )

    assert matched("https://fees.example/return", app) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"url": [{"host": "fees.example", "path": "/"}]}, "url"),  # beside [cas]
        ({"second_factor": "demanded"}, "second_factor"),
        ({"cas": {"url": []}}, "at least one address"),
        ({"links": {"help": "javascript:alert(1)"}}, "links"),
        ({"links": {"blog": "https://po.edu.pl"}}, "links"),
        ({"required_assurance": "high"}, "required_assurance"),
        ({"oidc": {"redirect_uris": []}}, "redirect_uris"),
    ],
)
def test_mistakes_in_tables_are_named(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Application.model_validate(TABLES | changed)


@pytest.mark.parametrize(
    "rule",
    [
        {"host": "*.example", "path_prefix": "/"},
        {"host": "Fees.example", "path_prefix": "/"},
        {"host": "fees.example", "port": "*", "path_prefix": "/"},
        {"host": "fees.example"},
        {"host": "fees.example", "path": "/a", "path_prefix": "/"},
        {"host": "fees.example", "path": "a"},
        {"host": "fees.example", "path": "/a", "regex": ".*"},
        {"host": "fees.example", "path": "/a", "schemes": ["javascript"]},
    ],
)
def test_a_rule_that_is_too_wide_or_unclear_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        application(rule=rule)


def test_unknown_attributes_and_keys_are_mistakes() -> None:
    with pytest.raises(ValidationError, match="pesel cannot be released"):
        application(attributes=["mail", "pesel"])
    with pytest.raises(ValidationError):
        application(colour="red")


def test_two_services_cannot_have_one_id() -> None:
    with pytest.raises(ConfigError, match="fees"):
        Applications.of([application(), application()])


@pytest.mark.parametrize(
    ("proxy", "url", "may"),
    [
        ({}, "https://fees.example/pgt", False),
        ({"allowed": True}, "https://fees.example/pgt", True),
        ({"allowed": True}, "https://other.example/pgt", False),
        ({"allowed": True, "callbacks": [{"host": "pgt.example", "path": "/"}]}, "https://pgt.example/", True),
    ],
)
def test_proxy_callbacks_go_to_registered_addresses_only(proxy: dict[str, Any], url: str, may: bool) -> None:
    assert application(proxy=proxy).cas.may_call_back(parse_url(url)) is may


@pytest.mark.parametrize(("http_on_loopback", "may"), [(False, False), (True, True)])
def test_plain_http_callbacks_need_loopback_and_a_permission(http_on_loopback: bool, may: bool) -> None:
    rule = {"schemes": ["http"], "host": "127.0.0.1", "port": "*", "path_prefix": "/"}
    app = application(rule=rule, proxy={"allowed": True, "http_on_loopback": http_on_loopback})

    assert app.cas.may_call_back(parse_url("http://127.0.0.1:9000/pgt")) is may


def test_the_logout_goes_where_the_registration_says() -> None:
    assert application().cas.logout_address("https://fees.example/?x") == "https://fees.example/?x"
    assert application(logout={"to": "none"}).cas.logout_address("https://fees.example/") is None
    assert application(logout={"to": "https://fees.example/out"}).cas.logout_address("x") == "https://fees.example/out"


@pytest.mark.parametrize(
    "to",
    ["", "None", "services", "fees.example/out", "//fees.example/out", "ftp://fees.example/", "https://fees_example/"],
)
def test_a_logout_that_goes_nowhere_is_a_mistake_of_the_registration(to: str) -> None:
    with pytest.raises(ValidationError, match=r'"service", "none" or one fixed http or https address'):
        application(logout={"to": to})
