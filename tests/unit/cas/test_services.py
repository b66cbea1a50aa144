"""Registered services are matched as values, and the most exactly described one wins."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from idp.cas.services import Service, Services, estudent
from idp.cas.urls import parse_service_url
from idp.errors import ConfigError

TODAY = date(2026, 10, 1)


def service(id_: str = "fees", **fields: Any) -> Service:
    rule = {"host": "fees.example", "path_prefix": "/"}
    return Service.model_validate(
        {
            "id": id_,
            "name": {"pl": "Opłaty", "en": "Fees"},
            "owner": "bursar",
            "url": [fields.pop("rule", rule)],
            **fields,
        }
    )


def matched(text: str, *services: Service, today: date = TODAY) -> str | None:
    found = Services.of(services).match(parse_service_url(text), today)
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
        ("https://fees.example/#/inbox", False),
    ],
)
def test_scheme_host_and_port_are_compared_whole(url: str, is_registered: bool) -> None:
    assert (matched(url, service()) is not None) is is_registered


def test_a_prefix_ends_at_a_slash() -> None:
    app = service(rule={"host": "a.example", "path_prefix": "/app"})

    assert matched("https://a.example/app", app)
    assert matched("https://a.example/app/x", app)
    assert matched("https://a.example/application", app) is None


def test_usosweb_is_matched_by_path_and_action_whatever_the_callback() -> None:
    usosweb = service(
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
    usosweb = service(rule={"host": "usosweb.example", "path": "/k.php", "query": {"_action": "login"}})

    assert matched(f"https://usosweb.example/k.php?_action=login&{name}=evil", usosweb) is None
    assert matched(f"https://usosweb.example/k.php?{name}=login", usosweb) is None
    assert matched("https://usosweb.example/k.php?_action=login&.actions=1&_action_=2", usosweb)


def test_a_fixed_parameter_may_have_a_name_that_php_spells_otherwise() -> None:
    app = service(rule={"host": "a.example", "path": "/", "query": {"openid.mode": "x"}})

    assert matched("https://a.example/?openid.mode=x", app)
    assert matched("https://a.example/?openid.mode=x&openid_mode=y", app) is None
    assert matched("https://a.example/?openid.mode=x&openid[mode=y", app) is None


def test_the_more_exact_service_wins_over_any_port_of_loopback() -> None:
    loopback = service("loopback", rule={"schemes": ["http"], "host": "127.0.0.1", "port": "*", "path_prefix": "/"})
    portal = estudent("http://127.0.0.1:8080")

    assert matched("http://127.0.0.1:8080/login/return", loopback, portal) == "estudent"
    assert matched("http://127.0.0.1:8080/login/return", portal, loopback) == "estudent"
    assert matched("http://127.0.0.1:8081/login/return", loopback, portal) == "loopback"


def test_an_expired_service_is_not_there_any_more() -> None:
    fees = service(expires=date(2026, 10, 1))

    assert matched("https://fees.example/", fees, today=date(2026, 9, 30)) == "fees"
    assert matched("https://fees.example/", fees, today=date(2026, 10, 1)) is None


def test_fragments_need_a_permission_of_their_own() -> None:
    app = service(rule={"host": "spa.example", "path_prefix": "/", "fragments": True})

    assert matched("https://spa.example/#/inbox", app)


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
        service(rule=rule)


def test_unknown_attributes_and_keys_are_mistakes() -> None:
    with pytest.raises(ValidationError, match="pesel cannot be released"):
        service(attributes=["mail", "pesel"])
    with pytest.raises(ValidationError):
        service(colour="red")


def test_two_services_cannot_have_one_id() -> None:
    with pytest.raises(ConfigError, match="fees"):
        Services.of([service(), service()])


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
    assert service(proxy=proxy).may_call_back(parse_service_url(url)) is may


@pytest.mark.parametrize(("http_on_loopback", "may"), [(False, False), (True, True)])
def test_plain_http_callbacks_need_loopback_and_a_permission(http_on_loopback: bool, may: bool) -> None:
    rule = {"schemes": ["http"], "host": "127.0.0.1", "port": "*", "path_prefix": "/"}
    app = service(rule=rule, proxy={"allowed": True, "http_on_loopback": http_on_loopback})

    assert app.may_call_back(parse_service_url("http://127.0.0.1:9000/pgt")) is may


def test_the_logout_goes_where_the_registration_says() -> None:
    assert service().logout_address("https://fees.example/?x") == "https://fees.example/?x"
    assert service(logout={"to": "none"}).logout_address("https://fees.example/") is None
    assert service(logout={"to": "https://fees.example/out"}).logout_address("x") == "https://fees.example/out"


@pytest.mark.parametrize(
    "to",
    ["", "None", "services", "fees.example/out", "//fees.example/out", "ftp://fees.example/", "https://fees_example/"],
)
def test_a_logout_that_goes_nowhere_is_a_mistake_of_the_registration(to: str) -> None:
    with pytest.raises(ValidationError, match=r'"service", "none" or one fixed http or https address'):
        service(logout={"to": to})
