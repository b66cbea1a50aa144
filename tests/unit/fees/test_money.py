"""Money is read exactly and never rounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import InvalidAmount
from idp.fees.money import Money, parse_minor


@pytest.mark.parametrize(
    ("text", "minor"),
    [("123.45", 12345), ("123,45", 12345), ("123", 12300), (" 0.01 ", 1), ("5.5", 550), ("999999999.99", 99999999999)],
)
def test_an_amount_is_read_in_the_smallest_unit(text: str, minor: int) -> None:
    assert parse_minor(text) == minor


@pytest.mark.parametrize(
    "text", ["", "0", "0.00", "-5", "1.234", "1 000", "1,000.00", "1e3", "١٢", "NaN", ".5", "5.", "1000000000"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_minor(text)


@given(st.integers(1, 99_999_999_999))
def test_an_amount_survives_being_printed_and_read(minor: int) -> None:
    money = Money(minor, "PLN")

    assert parse_minor(f"{money.decimal:.2f}") == minor
    assert money.decimal * 100 == Decimal(minor)
    assert str(money) == f"{money.decimal:.2f} PLN"
