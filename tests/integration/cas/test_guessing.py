"""Guessing is slowed down, people are not: the throttle and the CAPTCHA on the real pages."""

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import altcha
import pytest
from werkzeug.test import TestResponse

from deploy.openldap.private import PrivateSlapd
from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.sso.settings import SsoSettings, ThrottleSettings
from tests.integration.cas.conftest import PASSWORD, People
from tests.support.clock import ManualClock
from tests.support.sign_on import Browser, SignOn, build_sign_on, hidden_fields

HOME, ELSEWHERE = "198.51.100.1", "203.0.113.7"


@dataclass
class Guesser:
    """Somebody at an address, who fills in the forms that they are given."""

    browser: Browser
    address: str

    def open(self) -> str:
        return self.browser.client.get("/cas/login?renew=true", environ_overrides={"REMOTE_ADDR": self.address}).text

    def sign_in(self, name: str, password: str, page: str = "", **fields: str) -> TestResponse:
        data = {**hidden_fields(page or self.open()), "username": name, "password": password, **fields}
        return self.browser.client.post("/cas/login", data=data, environ_overrides={"REMOTE_ADDR": self.address})

    def fail(self, times: int, name: str = "12345") -> TestResponse:
        page = self.open()
        for _ in range(times):
            answer = self.sign_in(name, "wrong", page, **(proof(page) if "data-altcha" in page else {}))
            page = answer.text
        return answer


def proof(page: str) -> Mapping[str, str]:
    """Do the widget's work."""
    found = re.search(r'data-altcha="([^"]+)"', page)
    assert found is not None
    challenge = altcha.Challenge.from_dict(json.loads(unescape(found[1])))
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    payload = json.dumps({"challenge": challenge.to_dict(), "solution": solution.to_dict()})
    return {"altcha": base64.b64encode(payload.encode()).decode()}


@pytest.fixture
def sign_on(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People
) -> Iterator[SignOn]:
    settings = SsoSettings(captcha_cost=100, captcha_steps=10)
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as service:
        yield service


@pytest.fixture
def outsider(sign_on: SignOn) -> Guesser:
    return Guesser(sign_on.browser(), ELSEWHERE)


@pytest.fixture
def anna(sign_on: SignOn) -> Guesser:
    return Guesser(sign_on.browser(), HOME)


def test_the_captcha_is_not_asked_of_who_mistypes_twice(anna: Guesser) -> None:
    assert "data-altcha" not in anna.fail(2).text
    assert anna.sign_in("12345", PASSWORD).status_code == 303


@pytest.mark.parametrize("name", ["12345", "99999"])
def test_after_three_failures_the_captcha_is_due_for_whoever_is_tried(
    outsider: Guesser, sign_on: SignOn, name: str
) -> None:
    refused = outsider.fail(3, name)
    assert "data-altcha" in refused.text

    without = Guesser(sign_on.browser(), HOME).sign_in(name, PASSWORD)

    assert without.status_code == 401
    assert sign_on.events("sign_in.refused")[-1][1] == "captcha_due"


def test_a_solved_captcha_lets_the_right_password_in_once(outsider: Guesser, clock: ManualClock) -> None:
    page = outsider.fail(3).text
    solution = proof(page)

    again = outsider.sign_in("12345", "wrong", page, **solution)
    # The same form, and the same solution in another form, are worth nothing.
    assert outsider.sign_in("12345", PASSWORD, page, **solution).status_code == 400
    moved = outsider.sign_in("12345", PASSWORD, again.text, **solution)
    assert moved.status_code == 401

    assert outsider.sign_in("12345", PASSWORD, moved.text, **proof(moved.text)).status_code == 303


def test_the_code_from_the_picture_does_as_well(outsider: Guesser, sign_on: SignOn) -> None:
    page = outsider.fail(3).text
    sound = re.search(r'<audio [^>]*key=([A-Z2-7]+)"', page)
    assert sound is not None
    code = sign_on.login_tickets.hear(sound[1])

    assert code is not None
    assert code not in page
    assert outsider.sign_in("12345", PASSWORD, page, captcha=code).status_code == 303


def test_another_code_does_not(outsider: Guesser) -> None:
    assert outsider.sign_in("12345", PASSWORD, outsider.fail(3).text, captcha="abcdef").status_code == 401


def test_the_code_is_spoken(outsider: Guesser) -> None:
    found = re.search(r'<audio [^>]*src="([^"]+)"', outsider.fail(3).text)
    assert found is not None

    answer = outsider.browser.client.get(unescape(found[1]))

    assert answer.content_type == "audio/wav"
    assert answer.data.startswith(b"RIFF")


def test_the_sound_can_be_asked_for_a_few_times_only(outsider: Guesser) -> None:
    found = re.search(r'<audio [^>]*src="([^"]+)"', outsider.fail(3).text)
    assert found is not None
    path = urlsplit(unescape(found[1]))
    asked = [outsider.browser.client.get(f"{path.path}?{path.query}").status_code for _ in range(6)]

    assert asked == [200] * 4 + [404] * 2


@pytest.mark.parametrize("name", ["12345", "99999", "777", "54321"])
def test_the_delay_grows_and_is_the_same_whoever_is_tried(outsider: Guesser, name: str, clock: ManualClock) -> None:
    outsider.fail(5, name)
    answer = outsider.sign_in(name, PASSWORD, **proof(outsider.open()))

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "2"


def test_waiting_it_out_gives_the_next_try(outsider: Guesser, clock: ManualClock) -> None:
    outsider.fail(5)
    clock.advance(2)  # seconds of the first wait
    page = outsider.open()

    assert outsider.sign_in("12345", PASSWORD, page, **proof(page)).status_code == 303


def test_a_stranger_cannot_shut_out_a_device_that_its_owner_has_used(
    outsider: Guesser, anna: Guesser, sign_on: SignOn
) -> None:
    assert anna.sign_in("12345", PASSWORD).status_code == 303
    outsider.fail(5)

    assert "data-altcha" not in anna.open()
    assert anna.sign_in("12345", PASSWORD).status_code == 303
    assert Guesser(sign_on.browser(), HOME).sign_in("12345", PASSWORD).status_code == 429


def test_a_success_clears_the_count_of_that_device_alone(outsider: Guesser, anna: Guesser, clock: ManualClock) -> None:
    assert anna.sign_in("12345", PASSWORD).status_code == 303
    anna.fail(2)
    assert anna.sign_in("12345", PASSWORD).status_code == 303
    anna.fail(2)
    assert anna.sign_in("12345", PASSWORD).status_code == 303

    # For everybody else the account has failed four times.
    assert "data-altcha" in outsider.sign_in("12345", "wrong").text


def test_a_success_never_clears_the_count_of_the_network(outsider: Guesser, sign_on: SignOn) -> None:
    outsider.fail(2, "90001")
    assert outsider.sign_in("12345", PASSWORD).status_code == 303

    # The third failure of the network, though the first of this name and browser.
    other = Guesser(sign_on.browser(), ELSEWHERE)
    assert "data-altcha" in other.fail(1, "90002").text


def test_the_counts_hold_over_processes_and_restarts(
    outsider: Guesser,
    databases: Databases,
    keys: Keys,
    clock: ManualClock,
    slapd: PrivateSlapd,
    tmp_path: Path,
) -> None:
    outsider.fail(5)

    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications") as another:
        assert Guesser(another.browser(), HOME).sign_in("12345", PASSWORD).status_code == 429


def test_the_widget_loads_only_when_it_is_due(outsider: Guesser) -> None:
    assert "altcha" not in outsider.open()
    assert "altcha.min.js" in outsider.fail(3).text


def test_a_known_device_that_fails_too_often_is_like_any_other(anna: Guesser, clock: ManualClock) -> None:
    anna.sign_in("12345", PASSWORD)
    assert anna.fail(10).status_code == 401

    answer = anna.sign_in("12345", PASSWORD)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "64"


def test_a_device_token_is_new_after_each_sign_in_and_kept_hashed(anna: Guesser, sign_on: SignOn) -> None:
    seen = []
    for _ in range(2):
        anna.sign_in("12345", PASSWORD)
        cookie = anna.browser.client.get_cookie("idp_device")
        assert cookie is not None
        seen.append(cookie.value)
    with sign_on.raw.lend() as raw:
        ((kept,),) = raw.all("SELECT token_hash FROM known_device")

    assert seen[0] != seen[1]
    assert kept not in seen


def test_slow_guessing_over_many_accounts_is_noticed(outsider: Guesser, sign_on: SignOn, clock: ManualClock) -> None:
    for album in range(90_000, 90_020):
        outsider.fail(1, str(album))
        clock.advance(3700)  # slower than the counts of failures forget
    assert len(sign_on.events("sign_in.guessing")) == 1

    assert "data-altcha" in outsider.open()
    outsider.fail(3, "90000")
    page = outsider.open()
    assert outsider.sign_in("90001", "wrong", page, **proof(page)).status_code == 429


def test_right_sign_ins_are_never_limited(sign_on: SignOn) -> None:
    for _ in range(30):
        assert Guesser(sign_on.browser(), ELSEWHERE).sign_in("12345", PASSWORD).status_code == 303


def test_the_throttle_can_be_off_for_a_bench(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People
) -> None:
    settings = SsoSettings(throttle=ThrottleSettings(enabled=False))
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as sign_on:
        guesser = Guesser(sign_on.browser(), ELSEWHERE)
        assert guesser.fail(8).status_code == 401
        assert guesser.sign_in("12345", PASSWORD).status_code == 303
        assert guesser.browser.client.get_cookie("idp_device") is None


@pytest.mark.parametrize("mode", ["always", "off"])
def test_the_captcha_can_be_asked_always_or_never(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People, mode: str
) -> None:
    settings = SsoSettings.model_validate({"captcha": mode, "captcha_cost": 100, "captcha_steps": 10})
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as sign_on:
        guesser = Guesser(sign_on.browser(), ELSEWHERE)
        page = guesser.open()
        assert ("data-altcha" in page) is (mode == "always")
        assert guesser.sign_in("12345", PASSWORD).status_code == (401 if mode == "always" else 303)


def test_a_storm_is_queued_and_past_the_cap_put_off(
    databases: Databases, keys: Keys, clock: ManualClock, slapd: PrivateSlapd, tmp_path: Path, people: People
) -> None:
    settings = SsoSettings(parallel_checks=1, waiting_checks=1)
    with build_sign_on(databases, keys, clock, slapd, tmp_path / "applications", sso=settings) as sign_on:
        limiter = sign_on.service.check_password.limiter
        answers: list[int] = []
        waiting = Guesser(sign_on.browser(), HOME)
        page = waiting.open()
        with limiter.slot():
            thread = threading.Thread(
                target=lambda: answers.append(waiting.sign_in("12345", PASSWORD, page).status_code)
            )
            thread.start()
            while limiter.waiting == 0:
                pass
            late = Guesser(sign_on.browser(), HOME).sign_in("12345", PASSWORD)
        thread.join()

    assert late.status_code == 503
    assert late.headers["Retry-After"] == "5"
    assert answers == [303]
