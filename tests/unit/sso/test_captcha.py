"""The proof of work, the picture and its sound."""

import base64
import json
import wave
from io import BytesIO
from typing import Any

import altcha
import pytest

from idp.sso.captcha import Captcha, is_code, new_code, picture, sound

CAPTCHA = Captcha("key of tests", cost=100, steps=20)


def solved(challenge: str, **changed: Any) -> str:
    """Do what the widget does, with a change to the parameters after the work is done."""
    plain = json.loads(challenge)
    made = altcha.Challenge.from_dict(plain)
    solution = altcha.solve_challenge(made)
    assert solution is not None
    plain["parameters"] |= changed
    return base64.b64encode(json.dumps({"challenge": plain, "solution": solution.to_dict()}).encode()).decode()


def test_a_proof_is_good_for_its_own_form() -> None:
    payload = solved(CAPTCHA.challenge("LT-1"))

    assert CAPTCHA.is_solved("LT-1", payload)
    assert not CAPTCHA.is_solved("LT-2", payload)


def test_a_proof_cannot_be_made_cheaper_or_moved_to_another_form() -> None:
    other = json.loads(CAPTCHA.challenge("LT-2"))["parameters"]["data"]

    assert not CAPTCHA.is_solved("LT-1", solved(CAPTCHA.challenge("LT-1"), keyPrefix="00"))
    assert not CAPTCHA.is_solved("LT-2", solved(CAPTCHA.challenge("LT-1"), data=other))
    assert not Captcha("another key", 100, 20).is_solved("LT-1", solved(CAPTCHA.challenge("LT-1")))


@pytest.mark.parametrize("payload", ["", "x", "e30=", "bnVsbA==", "W10=", "A" * 5000, "\u0142"])
def test_what_is_no_proof_is_none(payload: str) -> None:
    assert not CAPTCHA.is_solved("LT-1", payload)


def test_the_code_is_six_digits_and_blanks_do_not_count() -> None:
    code = new_code()

    assert len(code) == 6
    assert is_code(f" {code[:3]} {code[3:]} ", code)
    assert not is_code("", "")
    assert not is_code("", code)
    assert not is_code("\u0663" * 6, code)


def test_the_picture_is_in_the_page_itself() -> None:
    head, _, body = picture("123456").partition(",")

    assert head == "data:image/png;base64"
    assert base64.b64decode(body).startswith(b"\x89PNG")


@pytest.mark.parametrize("language", ["pl", "en", "de"])
def test_the_sound_is_a_wave_file_that_differs_each_time(language: str) -> None:
    first, second = sound("123456", language), sound("123456", language)

    assert first != second
    with wave.open(BytesIO(first)) as heard:
        assert 4 < heard.getnframes() / heard.getframerate() < 15
