"""What follows from a request to /login."""

import pytest

from idp.cas.login import LoginRequest, Method, RepeatedParameter, Step, is_own_origin, next_step, read_request

APP = "http://127.0.0.1:9000/"


@pytest.mark.parametrize(
    ("request_", "has_session", "warns", "step"),
    [
        (LoginRequest(), False, False, Step.FORM),
        (LoginRequest(), True, False, Step.SIGNED_IN_PAGE),
        (LoginRequest(APP), False, False, Step.FORM),
        (LoginRequest(APP), True, False, Step.TICKET),
        (LoginRequest(APP), True, True, Step.WARNING),
        (LoginRequest(APP, renew=True), True, False, Step.FORM),
        (LoginRequest(APP, gateway=True), False, False, Step.BACK_WITHOUT_TICKET),
        (LoginRequest(APP, gateway=True), True, False, Step.TICKET),
        (LoginRequest(APP, gateway=True), True, True, Step.WARNING),
        (LoginRequest(APP, renew=True, gateway=True), False, False, Step.FORM),
        (LoginRequest(APP, renew=True, gateway=True), True, False, Step.FORM),
        (LoginRequest(gateway=True), False, False, Step.FORM),
        (LoginRequest(gateway=True), True, False, Step.SIGNED_IN_PAGE),
    ],
)
def test_the_next_step_follows_the_specification(
    request_: LoginRequest, has_session: bool, warns: bool, step: Step
) -> None:
    assert next_step(request_, has_session=has_session, session_warns=warns) is step


def test_query_and_form_may_say_the_same() -> None:
    read = read_request(
        {"service": [APP], "method": ["POST"]}, {"service": [APP], "warn": ["true"], "other": ["1", "2"]}
    )

    assert read == LoginRequest(APP, warn=True, method=Method.POST)


def test_target_stands_for_service_where_there_is_none() -> None:
    read = read_request({"TARGET": [APP]})

    assert read == LoginRequest(APP, is_saml=True)
    assert (read.carried, read.ticket_parameter) == ({"TARGET": APP}, "SAMLart")
    both = read_request({"TARGET": ["http://127.0.0.1:9001/"], "service": [APP]})
    assert (both, both.ticket_parameter) == (LoginRequest(APP), "ticket")


@pytest.mark.parametrize(
    "sources",
    [
        [{"TARGET": [APP, "http://127.0.0.1:9001/"]}],
        [{"service": [APP, "http://127.0.0.1:9001/"]}],
        [{"service": [APP, APP]}],
        [{"service": [APP]}, {"service": ["http://127.0.0.1:9001/"]}],
        [{"renew": ["true", "false"]}],
    ],
)
def test_a_repeated_protocol_parameter_is_refused(sources: list[dict[str, list[str]]]) -> None:
    with pytest.raises(RepeatedParameter):
        read_request(*sources)


def test_a_parameter_is_set_unless_it_says_false() -> None:
    assert read_request({"renew": [""]}).renew
    assert read_request({"renew": ["true"]}).renew
    assert not read_request({"renew": ["false"]}).renew


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_ours"),
    [
        ("", "", True),
        ("http://localhost", "same-origin", True),
        ("", "none", True),
        ("http://evil.example", "", False),
        ("null", "", False),
        ("http://localhost", "cross-site", False),
        ("", "same-site", False),
    ],
)
def test_a_form_from_elsewhere_is_refused_where_the_browser_says_so(
    origin: str, fetch_site: str, is_ours: bool
) -> None:
    assert is_own_origin(origin, fetch_site, ["http://localhost"]) is is_ours
