"""Section 3: what tickets and cookies look like, for whom they are good, and for how long. Section 4.1: remember me."""

import re
from collections.abc import Callable

import pytest

from idp.sso.settings import SsoSettings
from tests.conformance.cas.broken import (
    broken_by,
    calls,
    forgets_the_session,
    ignores,
    keeps_the_session,
    lets_nothing_grow_old,
    never_fails,
    says,
    sets,
    spends_nothing,
)
from tests.conformance.cas.test_saml import QUESTION as SAML_QUESTION
from tests.integration.cas.conftest import PASSWORD
from tests.support.clock import ManualClock
from tests.support.sign_on import Application, Browser

APP = "http://127.0.0.1:9000/app"
LOGIN, PROXY = "/cas/login", "/cas/proxy"
COUNT = 20


@pytest.fixture
def grant(signed_in: Browser, application: Application) -> Callable[[], tuple[str, str]]:
    """Have a proxy-granting ticket delivered and return it with its IOU."""

    def granted() -> tuple[str, str]:
        signed_in.open(
            "/cas/serviceValidate", service=APP, ticket=signed_in.ticket(APP), pgtUrl=f"{application.url}/pgt"
        )
        sent = re.search(r"pgtId=([^&]+)&pgtIou=([^&]+)", application.requests[-1][1])
        assert sent is not None
        return sent[1], sent[2]

    return granted


@pytest.fixture
def proxy(signed_in: Browser, grant: Callable[[], tuple[str, str]]) -> Callable[[], str]:
    """Return a proxy ticket each time."""
    pgt, _ = grant()

    def ticket() -> str:
        answer = signed_in.open(PROXY, pgt=pgt, targetService=APP).text
        return answer.partition("<cas:proxyTicket>")[2].partition("<")[0]

    return ticket


def are_random(tickets: list[str], prefix: str, longest: int) -> bool:
    """Tell whether each begins with the prefix, has 128 bits or more of the allowed letters, and is not too long."""
    form = re.compile(re.escape(prefix) + r"[A-Za-z0-9-]+")
    bodies = [ticket.removeprefix(prefix) for ticket in tickets]
    letters = len(set("".join(bodies)))
    bits = min(len(body) for body in bodies) * max(letters.bit_length() - 1, 1)
    return (
        len(set(tickets)) == len(tickets)
        and all(form.fullmatch(ticket) and len(ticket) <= longest for ticket in tickets)
        and bits >= 128
    )


@broken_by(
    says("ST-[A-Z2-7]+", lambda number: f"ST-{number:029d}", LOGIN, "Location"),
    says("ST-", "TICKET", LOGIN, "Location"),
    says("$", "_", LOGIN, "Location"),
    says("$", "A", LOGIN, "Location"),
)
def test_3_1_1_and_3_7_service_tickets_are_random_begin_with_st_and_have_32_plain_characters(
    signed_in: Browser,
) -> None:
    sent = [signed_in.open(LOGIN, service=APP).headers["Location"].partition("ticket=")[2] for _ in range(COUNT)]

    assert are_random(sent, "ST-", 32)


@broken_by(says("ST-", "ST-app-", LOGIN, "Location"))
def test_3_1_1_the_service_is_not_part_of_the_ticket(signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)

    assert "app" not in ticket
    assert "127" not in ticket


@broken_by(never_fails("INVALID_SERVICE"))
def test_3_1_1_a_ticket_is_for_one_service(signed_in: Browser) -> None:
    answer = signed_in.open("/cas/serviceValidate", service=APP + "/other", ticket=signed_in.ticket(APP)).text

    assert 'code="INVALID_SERVICE"' in answer


@broken_by(says("has expired", "is bad"))
def test_3_1_1_the_answer_says_that_a_ticket_has_expired(signed_in: Browser, clock: ManualClock) -> None:
    ticket = signed_in.ticket(APP)
    clock.advance(60)

    assert "has expired" in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


@broken_by(
    says("PT-[A-Z2-7]+", lambda number: f"PT-{number:029d}", PROXY),
    says("PT-", "TICKET", PROXY),
    says("(PT-[A-Z2-7]+)", r"\1_", PROXY),
)
def test_3_2_1_and_3_7_proxy_tickets_are_random_begin_with_pt_and_have_32_plain_characters(
    proxy: Callable[[], str],
) -> None:
    assert are_random([proxy() for _ in range(COUNT)], "PT-", 32)


@broken_by(spends_nothing())
def test_3_2_1_a_proxy_ticket_is_good_for_one_attempt_whatever_comes_of_it(
    signed_in: Browser, proxy: Callable[[], str]
) -> None:
    good, bad = proxy(), proxy()
    signed_in.open("/cas/proxyValidate", service=APP, ticket=good)
    signed_in.open("/cas/proxyValidate", service=APP + "/other", ticket=bad)

    for ticket in (good, bad):
        assert 'code="INVALID_TICKET"' in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text


@broken_by(lets_nothing_grow_old())
def test_3_2_1_an_old_proxy_ticket_is_refused(signed_in: Browser, proxy: Callable[[], str], clock: ManualClock) -> None:
    ticket = proxy()
    clock.advance(10)

    assert "has expired" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text


@broken_by(never_fails("INVALID_SERVICE"))
def test_3_2_1_a_proxy_ticket_is_for_one_service(signed_in: Browser, proxy: Callable[[], str]) -> None:
    answer = signed_in.open("/cas/proxyValidate", service=APP + "/other", ticket=proxy()).text

    assert 'code="INVALID_SERVICE"' in answer


@broken_by(says("PT-[A-Z2-7]+", "PT-1", PROXY))
def test_3_3_1_a_proxy_granting_ticket_is_good_for_many_proxy_tickets(
    signed_in: Browser, proxy: Callable[[], str]
) -> None:
    for ticket in (proxy(), proxy()):
        assert "authenticationSuccess" in signed_in.open("/cas/proxyValidate", service=APP, ticket=ticket).text


@broken_by(
    calls("pgtId=PGT-[A-Z2-7]+", "pgtId=PGT-1"), calls("pgtId=PGT-", "pgtId=P"), calls("(PGT-[A-Z2-7]+)", r"\1_")
)
def test_3_3_1_and_3_7_proxy_granting_tickets_are_random_begin_with_pgt_and_have_64_plain_characters_at_most(
    grant: Callable[[], tuple[str, str]],
) -> None:
    assert are_random([grant()[0] for _ in range(COUNT)], "PGT-", 64)


@broken_by(
    calls("pgtIou=PGTIOU-[A-Z2-7]+", "pgtIou=PGTIOU-1"),
    calls("pgtIou=PGTIOU-", "pgtIou=IOU-"),
    calls("(PGTIOU-[A-Z2-7]+)", r"\1" + "A" * 64),
)
def test_3_4_1_and_3_7_ious_are_random_begin_with_pgtiou_and_have_64_plain_characters_at_most(
    grant: Callable[[], tuple[str, str]],
) -> None:
    assert are_random([grant()[1] for _ in range(COUNT)], "PGTIOU-", 64)


@broken_by(calls("pgtId=PGT-([A-Z2-7]+)&.*", r"pgtId=PGT-\1&pgtIou=PGTIOU-\1"))
def test_3_4_1_an_iou_says_nothing_of_its_ticket(grant: Callable[[], tuple[str, str]]) -> None:
    pgt, iou = grant()

    secret = pgt.removeprefix("PGT-")
    assert not any(secret[start : start + 8] in iou for start in range(len(secret) - 7))


COOKIE = re.compile(r"idp_sso=([^;]*)")


def cookies_of(browsers: list[Browser]) -> list[str]:
    """Sign in with each and return the session cookies as they were set."""
    headers = [browser.sign_in("12345", PASSWORD).headers.getlist("Set-Cookie") for browser in browsers]
    return [cookie for of_one in headers for cookie in of_one if cookie.startswith("idp_sso=")]


@broken_by(says("; HttpOnly", "; Max-Age=999; HttpOnly", LOGIN, "Set-Cookie"))
def test_3_6_1_the_cookie_ends_with_the_browser(visitor: Browser) -> None:
    (cookie,) = cookies_of([visitor])

    assert "Max-Age" not in cookie
    assert "Expires" not in cookie


@broken_by(says("Path=/;", "Path=/; Domain=localhost;", LOGIN, "Set-Cookie"))
def test_3_6_1_the_cookie_is_for_this_host_alone(visitor: Browser) -> None:
    # Its path is `/`: the session is everybody's here, not the CAS server's alone, and `__Host-` asks for it.
    (cookie,) = cookies_of([visitor])

    assert "Domain" not in cookie
    assert "Path=/;" in cookie


@broken_by(
    says("TGC-[A-Z2-7]+", "TGC-1", LOGIN, "Set-Cookie"),
    says("TGC-", "", LOGIN, "Set-Cookie"),
    says("TGC-", "TGC-_", LOGIN, "Set-Cookie"),
)
def test_3_6_1_and_3_7_and_3_8_1_the_value_of_the_cookie_is_random_begins_with_tgc_and_is_plain(
    visitor: Browser,
) -> None:
    values = [COOKIE.findall(cookie)[0] for cookie in cookies_of([visitor] * 5)]

    assert are_random(values, "TGC-", 64)


@broken_by(forgets_the_session())
def test_3_8_1_a_session_gives_many_tickets(signed_in: Browser) -> None:
    answers = [signed_in.open(LOGIN, service=APP).headers.get("Location", "") for _ in range(3)]

    assert len({re.sub(r".*ticket=ST-", "", answer) for answer in answers if "ticket=ST-" in answer}) == 3


@broken_by(keeps_the_session("session"))
def test_3_8_1_a_session_ends_with_signing_out(signed_in: Browser) -> None:
    ticket = signed_in.ticket(APP)
    signed_in.open("/cas/logout")

    assert 'code="INVALID_TICKET"' in signed_in.open("/cas/serviceValidate", service=APP, ticket=ticket).text


class TestRememberMe:
    """4.1, where `sso.remember_me` offers it."""

    @pytest.fixture
    def sso(self) -> SsoSettings:
        return SsoSettings(remember_me=True)

    @pytest.fixture
    def remembered(self, visitor: Browser) -> Browser:
        assert visitor.sign_in("12345", PASSWORD, {"rememberMe": "true"}).status_code == 303
        return visitor

    @broken_by(says('name="rememberMe"', "", LOGIN), says('name="rememberMe"', 'name="rememberMe" checked', LOGIN))
    def test_4_1_1_the_form_offers_it_and_nobody_has_ticked_it(self, visitor: Browser) -> None:
        for query in ({}, {"rememberMe": "true"}):
            page = visitor.open(LOGIN, **query).text
            box = re.search(r'<input[^>]*name="rememberMe"[^>]*>', page)
            assert box is not None
            assert "checked" not in box[0]

    @broken_by(sets("rememberMe", LOGIN))
    def test_4_1_1_it_is_the_persons_choice(self, visitor: Browser) -> None:
        (cookie,) = cookies_of([visitor])

        assert "Max-Age" not in cookie

    @broken_by(ignores("rememberMe"))
    def test_2_2_2_remember_me_is_honoured(self, visitor: Browser, clock: ManualClock, sso: SsoSettings) -> None:
        visitor.sign_in("12345", PASSWORD, {"rememberMe": "true"})
        clock.advance(sso.lifetime_s + 1)

        assert "ticket=ST-" in visitor.open(LOGIN, service=APP).headers.get("Location", "")

    @broken_by(ignores("rememberMe"))
    def test_4_1_5_the_cookie_lives_as_long_as_the_session(self, visitor: Browser, sso: SsoSettings) -> None:
        answer = visitor.sign_in("12345", PASSWORD, {"rememberMe": "true"})

        assert f"Max-Age={sso.remembered_s};" in str(answer.headers.getlist("Set-Cookie"))

    @pytest.mark.parametrize("endpoint", ["serviceValidate", "proxyValidate", "p3/serviceValidate", "p3/proxyValidate"])
    @broken_by(
        says("<cas:longTermAuthenticationRequestTokenUsed>true", "<cas:longTermAuthenticationRequestTokenUsed>false")
    )
    def test_4_1_3_every_endpoint_says_that_a_session_was_remembered(self, remembered: Browser, endpoint: str) -> None:
        answer = remembered.open(f"/cas/{endpoint}", service=APP, ticket=remembered.ticket(APP)).text

        assert "<cas:longTermAuthenticationRequestTokenUsed>true<" in answer

    @broken_by(says('AttributeName="longTermAuthenticationRequestTokenUsed"', 'AttributeName="x"'))
    def test_4_1_3_and_4_2_5_1_saml_says_it_too(self, remembered: Browser) -> None:
        question = SAML_QUESTION.replace("{ticket}", remembered.ticket(APP))
        answer = remembered.client.post(
            "/cas/samlValidate", query_string={"TARGET": APP}, data=question, content_type="text/xml"
        ).text

        assert re.search(r'AttributeName="longTermAuthenticationRequestTokenUsed"[^>]*><[^>]*>true<', answer)
