"""What a reviewer is told about registrations, and why an address is not served."""

from datetime import date
from typing import Any

import pytest

from idp.applications.explain import explain
from idp.applications.files import Application
from idp.applications.lint import Risk, lint
from idp.applications.matching import Applications

TODAY = date(2026, 10, 1)
RULE = {"host": "fees.example", "path_prefix": "/app"}


def application(**changed: Any) -> Application:
    plain = {"id": "fees", "name": {"pl": "Opłaty", "en": "Fees"}, "owner": "it", "url": [RULE]}
    return Application.model_validate(plain | changed)


def risks(*applications: Application) -> list[Risk]:
    return [finding.risk for finding in lint(applications, TODAY)]


def test_a_careful_registration_has_no_findings() -> None:
    assert risks(application()) == []


@pytest.mark.parametrize(
    ("changed", "risk"),
    [
        ({"url": [{"host": "fees.example", "path_prefix": "/"}]}, Risk.TOO_WIDE),
        ({"url": [RULE | {"schemes": ["http", "https"]}]}, Risk.PLAIN_HTTP),
        ({"logout": {"to": "none"}}, Risk.NO_LOGOUT),
        ({"expires": date(2026, 10, 1)}, Risk.EXPIRED),
        ({"expires": date(2026, 10, 20)}, Risk.EXPIRES_SOON),
        ({"second_factor": "demanded"}, Risk.SECOND_FACTOR),
    ],
)
def test_what_is_risky_is_found(changed: dict[str, Any], risk: Risk) -> None:
    assert risks(application(**changed)) == [risk]


def test_openid_connect_is_not_served_yet() -> None:
    plain = {"id": "fees", "name": {"pl": "Opłaty", "en": "Fees"}, "owner": "it"}
    oidc = {"redirect_uris": ["https://fees.example/return"]}

    assert risks(Application.model_validate(plain | {"oidc": oidc})) == [Risk.NOT_SERVED]


def test_what_is_on_this_machine_may_be_plain_and_wide() -> None:
    assert risks(application(url=[{"host": "127.0.0.1", "port": "*", "path_prefix": "/", "schemes": ["http"]}])) == []


def test_two_services_with_one_address_are_found() -> None:
    assert risks(application(), application(id="other")) == [Risk.OVERLAP]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://fees.example/application", "path /application is not below /app"),
        ("http://fees.example/app", "scheme http is not https"),
        ("https://fees.example:8443/app", "port 8443 is not 443"),
        ("https://fees.example.evil/app", "host fees.example.evil is not fees.example"),
        ("https://fees.example@evil.example/app", "refused whoever registers it"),
    ],
)
def test_a_refusal_is_explained(address: str, why: str) -> None:
    explained = explain(Applications.of([application()]), address, TODAY)

    assert explained.application is None
    assert why in explained.why[0]


def test_the_nearest_registration_is_named_first() -> None:
    far = application(id="a", url=[{"host": "else.example", "path": "/", "port": 1}])

    assert explain(Applications.of([far, application()]), "https://fees.example/x", TODAY).why[0].startswith("fees: ")


def test_an_address_that_is_served_names_its_service() -> None:
    explained = explain(Applications.of([application()]), "https://fees.example/app/x?y", TODAY)

    assert explained.application is not None
    assert explained.application.id == "fees"
    assert str(explained.rule) == "https://fees.example/app and below"
    assert explained.why == ()
