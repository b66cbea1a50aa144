"""Individual account numbers, against the worked examples of docs/domain.md and the rule of ISO 13616."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban

from idp.errors import InvalidAccountNumber
from idp.fees.account_numbers import check_bank_code, grouped, iban, make_nrb, parse_nrb

EXAMPLES = [
    ("7777", 12345, "20 9990 0009 7777 0000 0001 2345"),
    ("7777", 1, "16 9990 0009 7777 0000 0000 0001"),
    ("7778", 12345, "28 9990 0009 7778 0000 0001 2345"),
]
prefixes = st.from_regex(r"[0-9]{4,8}", fullmatch=True)
serials = st.integers(1, 99_999_999)
banks = st.from_regex(r"[0-9]{7}", fullmatch=True).map(
    lambda seven: next(seven + str(last) for last in range(10) if _fits(seven + str(last)))
)


def _fits(code: str) -> bool:
    try:
        check_bank_code(code)
    except InvalidAccountNumber:
        return False
    return True


@pytest.mark.parametrize(("prefix", "serial", "printed"), EXAMPLES)
def test_the_worked_examples_hold(prefix: str, serial: int, printed: str) -> None:
    nrb = make_nrb("99900009", prefix, serial)

    assert grouped(nrb) == printed
    assert parse_nrb(printed) == nrb


@given(banks, prefixes, serials)
def test_a_number_that_we_make_is_an_iban_for_others_too(bank: str, prefix: str, serial: int) -> None:
    nrb = make_nrb(bank, prefix, serial)

    assert len(nrb) == 26
    assert stdnum_iban.is_valid(iban(nrb))
    # ISO 13616 with ISO 7064 MOD 97-10, written out: P = 25, L = 21.
    assert int(nrb[:2]) == 98 - int(f"{nrb[2:]}252100") % 97
    assert parse_nrb(grouped(nrb)) == parse_nrb(iban(nrb)) == nrb


@given(banks, prefixes, serials, st.integers(0, 25), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(bank: str, prefix: str, serial: int, place: int, off: int) -> None:
    nrb = make_nrb(bank, prefix, serial)
    wrong = nrb[:place] + str((int(nrb[place]) + off) % 10) + nrb[place + 1 :]

    with pytest.raises(InvalidAccountNumber):
        parse_nrb(wrong)


@given(banks, prefixes, serials, st.integers(0, 24))
def test_two_swapped_neighbours_are_noticed(bank: str, prefix: str, serial: int, place: int) -> None:
    nrb = make_nrb(bank, prefix, serial)
    assume(nrb[place] != nrb[place + 1])

    with pytest.raises(InvalidAccountNumber):
        parse_nrb(nrb[:place] + nrb[place + 1] + nrb[place] + nrb[place + 2 :])


@given(prefixes, serials, serials)
def test_two_payers_never_share_a_number(prefix: str, one: int, other: int) -> None:
    assume(one != other)

    assert make_nrb("99900009", prefix, one) != make_nrb("99900009", prefix, other)


@pytest.mark.parametrize(("prefix", "serial"), [("7777", 10**12), ("77777777", 10**8), ("7777", 0), ("7777", -1)])
def test_a_serial_that_does_not_fit_is_refused_and_not_cut(prefix: str, serial: int) -> None:
    with pytest.raises(InvalidAccountNumber):
        make_nrb("99900009", prefix, serial)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PL",
        "2099900009777700000001234",
        "209990000977770000000123456",
        "２０9990000977770000000123 45",
        "２０" + "9990000977770000000123" + "45",
        "2099900009777700000000.12345",
    ],
)
def test_what_has_not_26_digits_is_no_account_number(text: str) -> None:
    with pytest.raises(InvalidAccountNumber, match="26 digits"):
        parse_nrb(text)


def test_a_number_whose_bank_code_contradicts_itself_is_refused_though_its_iban_check_passes() -> None:
    assert stdnum_iban.is_valid("PL36109010150000071219812874")

    with pytest.raises(InvalidAccountNumber, match="bank code"):
        parse_nrb("PL36109010150000071219812874")


@pytest.mark.parametrize("code", ["99900008", "9990000", "999000090", "9990000x", ""])
def test_a_bank_code_with_a_wrong_digit_is_refused(code: str) -> None:
    with pytest.raises(InvalidAccountNumber):
        check_bank_code(code)
