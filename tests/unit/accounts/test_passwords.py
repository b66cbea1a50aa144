"""Which passwords are refused, and why."""

import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from idp.accounts.passwords import Weakness, password_hash, prepared, weakness_of
from idp.accounts.settings import AccountsSettings
from idp.errors import InvalidPassword
from tests.support.hostile import HOSTILE

SETTINGS = AccountsSettings()
OWN = ("Żaneta", "", "Źdźbło-Ćwik", "Li", "12345", "u2345678a")


def weakness(password: str) -> Weakness | None:
    return weakness_of(prepared(password), OWN, SETTINGS.password_words, SETTINGS.password_min_length)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "zażółć gęślą jaźń!",
        "ŻÓŁTY ROWER STOI",
        "moj kot spi na piecu",
        "🐈 śpi na 🔥 piecu w 🏠",
    ],
)
def test_a_long_password_of_any_characters_is_accepted_without_rules_of_composition(password: str) -> None:
    assert weakness(password) is None


def test_fifteen_characters_are_enough_and_fourteen_are_not() -> None:
    assert weakness("kot spi na piec") is None
    assert weakness("kot spi na pie") is Weakness.TOO_SHORT


def test_a_password_may_have_128_bytes_and_is_refused_rather_than_cut_above() -> None:
    word = "ułęźxqjvwękfzhgó"
    fits = (word * 8).encode()[:128].decode(errors="ignore")

    assert weakness(fits.ljust(128 - len(fits.encode()) + len(fits), "k")) is None
    assert weakness(fits + "kkkk" * 2) is Weakness.TOO_LONG


@pytest.mark.parametrize("password", ["moj kot spi\0 na piecu", "moj kot spi na piecu\n", "moj\tkot spi na piecu"])
def test_control_characters_are_refused_because_no_keyboard_gives_them_everywhere(password: str) -> None:
    assert weakness(password) is Weakness.CONTROL_CHARACTER


@pytest.mark.parametrize(
    "password",
    [
        "zaneta ma kota i psa",
        "ŻANETA ma kota i psa",
        "mój-zdzblo-ogródek-1",
        "mam na imie li i juz",
        "numer 12345 jest moj",
        "u2345678a to mój uid",
    ],
)
def test_ones_own_names_and_numbers_are_refused(password: str) -> None:
    assert weakness(password) is Weakness.OWN_DATA


def test_a_short_name_inside_another_word_is_no_ones_name() -> None:
    assert weakness("liście spadają z drzew") is None


def test_a_name_of_one_letter_is_looked_for_nowhere() -> None:
    assert weakness_of("kot spi a pies czuwa", ("A",), (), 15) is None


@pytest.mark.parametrize("password", ["Politechnika!2026?", "na OPOLSKA uczelnie", "e-student estudent1"])
def test_words_of_the_university_are_refused(password: str) -> None:
    assert weakness(password) is Weakness.UNIVERSITY_WORD


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "987654321098765",
        "aaaaaaaaaaaaaaaa",
        "qwertyuiopasdfgh",
        "abcabcabcabcabc",
        "P@ssw0rdP@ssw0rd",
        "x" * 100,
    ],
)
def test_repetitions_sequences_and_rows_of_keys_are_refused(password: str) -> None:
    assert weakness(password) is Weakness.EASY_TO_GUESS


def test_every_long_entry_of_the_word_lists_is_refused() -> None:
    long = [word for words in FREQUENCY_LISTS.values() for word in words if len(word) >= 15]

    accepted = [word for word in long if weakness(word) is None]

    assert len(long) > 300
    assert accepted == []


@given(st.text(max_size=200))
def test_every_text_gets_an_answer(password: str) -> None:
    weakness(password)


def test_the_same_letters_of_two_keyboards_are_one_password() -> None:
    assert prepared("z\u0307o\u0301łw") == prepared("żółw")


def test_a_password_far_too_long_is_refused_before_it_is_normalised() -> None:
    with pytest.raises(InvalidPassword, match="too_long"):
        prepared(HOSTILE)


def test_a_password_may_come_in_separate_letters_and_accents() -> None:
    longest = "ộ" * 42  # 126 bytes when composed, 210 when not

    assert prepared(unicodedata.normalize("NFD", longest)) == longest


def test_blanks_at_the_ends_are_part_of_the_password() -> None:
    assert prepared("  kot  ") == "  kot  "


def test_a_password_is_kept_as_argon2id_with_the_cost_of_the_settings() -> None:
    phc = password_hash("zażółć gęślą jaźń", SETTINGS)
    parameters = extract_parameters(phc)

    assert phc.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert parameters.type is Type.ID
    assert PasswordHasher().verify(phc, "zażółć gęślą jaźń")
