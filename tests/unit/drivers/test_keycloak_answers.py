import pytest
from keycloak.exceptions import KeycloakError

from idp.drivers.keycloak import FailedInside, _error
from idp.errors import Conflict, NotFound, TargetRejected, TargetUnavailable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, TargetRejected),
        (401, TargetUnavailable),
        (403, TargetRejected),
        (404, NotFound),
        (409, Conflict),
        (429, TargetUnavailable),
        (500, FailedInside),
        (501, FailedInside),
        (502, TargetUnavailable),
        (503, TargetUnavailable),
        (504, TargetUnavailable),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type[Exception]) -> None:
    assert type(_error(KeycloakError("", status, b"{}"), "write a user")) is kind


def test_the_reason_is_told_and_the_value_is_not() -> None:
    body = b'{"field":"email","errorMessage":"error-invalid-email","params":["email","anna@"]}'

    told = str(_error(KeycloakError("", 400, body), "write a user"))

    assert told == "Keycloak refused to write a user (400): email: error-invalid-email"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"null"])
def test_an_answer_of_any_form_is_told(body: bytes) -> None:
    assert "no reason given" in str(_error(KeycloakError("", 400, body), "write a user"))
