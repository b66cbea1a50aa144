"""Text from outside is measured before anything else is done with it."""

import unicodedata

import pytest

from idp.errors import InputTooLong
from idp.text import MAX_CHARS, normalize, require_short
from tests.support.hostile import HOSTILE


def test_text_that_would_take_seconds_is_refused_for_its_length() -> None:
    with pytest.raises(InputTooLong) as refusal:
        normalize(HOSTILE)

    assert refusal.value.code == "too_long"


def test_characters_count_before_normalising() -> None:
    assert normalize("a" * MAX_CHARS) == "a" * MAX_CHARS
    with pytest.raises(InputTooLong):
        normalize("\u0065\u0301" * (MAX_CHARS // 2) + "x")  # é composed: half as many characters


def test_bytes_can_be_limited_too() -> None:
    require_short("ż" * 5, max_bytes=10)
    with pytest.raises(InputTooLong, match="10 bytes"):
        require_short("ż" * 5 + "x", max_bytes=10)


def test_half_a_letter_is_counted_like_any_other() -> None:
    with pytest.raises(InputTooLong):
        require_short("\ud800" * 5, max_bytes=10)


def test_a_short_text_is_normalised() -> None:
    assert normalize("e\u0301") == "é"
    assert normalize("１２", "NFKC") == "12"
    assert normalize("１２") == unicodedata.normalize("NFC", "１２")
