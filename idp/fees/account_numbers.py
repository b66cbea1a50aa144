"""Individual account numbers: how a student's NRB is made, read and shown.

NRB = 2 check digits, 8 of the bank, 16 of the account; the account is the prefix that the bank fixed and the payer's
serial, filled up with zeros between them (docs/domain.md, fees and bank accounts).
"""

import re
from typing import NewType

from stdnum import iban as stdnum_iban

from idp.errors import InvalidAccountNumber

Nrb = NewType("Nrb", str)

COUNTRY = "PL"
ACCOUNT_DIGITS = 16
BANK_CODE_WEIGHTS = (3, 9, 7, 1, 3, 9, 7)


def make_nrb(bank_code: str, prefix: str, serial: int) -> Nrb:
    """Return the account number of the payer `serial`.

    Shape:   "99900009", "7777", 12345 -> "20999000097777000000012345"
    Raises:  InvalidAccountNumber when the serial no longer fits behind the prefix
    """
    free = ACCOUNT_DIGITS - len(prefix)
    payer = str(serial)
    if serial < 1 or len(payer) > free:
        raise InvalidAccountNumber(f"The payer serial {serial} does not fit into {free} digits.")
    body = bank_code + prefix + payer.zfill(free)
    return Nrb(stdnum_iban.calc_check_digits(f"{COUNTRY}00{body}") + body)


def parse_nrb(text: str) -> Nrb:
    """Return the account number in `text`, with or without spaces and the country.

    Shape:   "PL 20 9990 0009 7777 0000 0001 2345" -> "20999000097777000000012345"
    Raises:  InvalidAccountNumber
    """
    digits = re.sub(r"[ \u00a0-]", "", text).upper().removeprefix(COUNTRY)
    if not re.fullmatch(r"[0-9]{26}", digits):
        raise InvalidAccountNumber("An account number has 26 digits.")
    # python-stdnum drops separators and takes other scripts' digits, so the form is checked first.
    if not stdnum_iban.is_valid(COUNTRY + digits):
        raise InvalidAccountNumber("The check digits do not fit: a digit is wrong or two are swapped.")
    check_bank_code(digits[2:10])
    return Nrb(digits)


def check_bank_code(code: str) -> str:
    """Return `code` when its 8th digit fits the first seven.

    Raises:  InvalidAccountNumber
    """
    if not re.fullmatch(r"[0-9]{8}", code):
        raise InvalidAccountNumber("A bank code has 8 digits.")
    weighted = sum(int(digit) * weight for digit, weight in zip(code, BANK_CODE_WEIGHTS, strict=False))
    if int(code[7]) != (10 - weighted % 10) % 10:
        raise InvalidAccountNumber(f"The last digit of the bank code {code} does not fit the others.")
    return code


def grouped(nrb: Nrb) -> str:
    """Return the number as people read it: `20 9990 0009 7777 0000 0001 2345`."""
    return " ".join([nrb[:2], *(nrb[start : start + 4] for start in range(2, len(nrb), 4))])


def iban(nrb: Nrb) -> str:
    """Return the number as a bank abroad wants it: `PL20999000097777000000012345`."""
    return COUNTRY + nrb
