"""What follows from a request to /login."""

import pytest

from idp.applications.assurance import Assurance
from idp.applications.files import Application
from idp.cas.login import LoginRequest, Method, Next, RepeatedParameter, read_request, what_is_next
from idp.sso.session_queries import LiveSession

APP = "http://127.0.0.1:9000/"
RULE = {"schemes": ["http"], "host": "127.0.0.1", "port": 9000, "path": "/"}
REGISTERED = Application.model_validate(
    {"id": "app", "name": {"pl": "Aplikacja", "en": "Application"}, "owner": "tests", "url": [RULE]}
)


def application_of(request: LoginRequest) -> Application | None:
    return REGISTERED if request.service_url else None


def live_session(*, warns: bool = False, assurance: Assurance = Assurance.PASSWORD) -> LiveSession:
    return LiveSession(
        session_id="s1",
        account_id="p1",
        uid="u7k2m9qxa",
        account_kind="student",
        role="",
        display_name="Anna Nowak",
        signed_in_at=0.0,
        seen_at=0.0,
        expires_at=1.0,
        remembered=False,
        warns=warns,
        network="",
        browser="",
        assurance=assurance,
    )


@pytest.mark.parametrize(
    ("request_", "has_session", "warns", "expected"),
    [
        (LoginRequest(), False, False, Next.FORM),
        (LoginRequest(), True, False, Next.SIGNED_IN_PAGE),
        (LoginRequest(APP), False, False, Next.FORM),
        (LoginRequest(APP), True, False, Next.TICKET),
        (LoginRequest(APP), True, True, Next.WARNING),
        (LoginRequest(APP, renew=True), True, False, Next.FORM),
        (LoginRequest(APP, gateway=True), False, False, Next.BACK_WITHOUT_TICKET),
        (LoginRequest(APP, gateway=True), True, False, Next.TICKET),
        (LoginRequest(APP, gateway=True), True, True, Next.WARNING),
        (LoginRequest(APP, renew=True, gateway=True), False, False, Next.FORM),
        (LoginRequest(APP, renew=True, gateway=True), True, False, Next.FORM),
        (LoginRequest(gateway=True), False, False, Next.FORM),
        (LoginRequest(gateway=True), True, False, Next.SIGNED_IN_PAGE),
    ],
)
def test_the_next_step_follows_the_specification(
    request_: LoginRequest, has_session: bool, warns: bool, expected: Next
) -> None:
    session = live_session(warns=warns) if has_session else None

    assert what_is_next(request_, application_of(request_), session) is expected


def test_an_application_that_demands_more_is_denied_before_any_warning() -> None:
    demanding = REGISTERED.model_copy(update={"required_assurance": Assurance.SECOND_FACTOR})
    both = live_session(warns=True, assurance=Assurance.SECOND_FACTOR)

    assert what_is_next(LoginRequest(APP), demanding, live_session(warns=True)) is Next.DENIAL
    assert what_is_next(LoginRequest(APP, gateway=True), demanding, live_session()) is Next.DENIAL
    assert what_is_next(LoginRequest(APP), demanding, None) is Next.FORM
    assert what_is_next(LoginRequest(APP), demanding, both) is Next.WARNING


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
