"""Read lists of charges and payments: CSV in UTF-8, `;` between columns, one entry per line."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

from idp.errors import IdpError, InvalidInput, RefusedSource
from idp.fees.account_numbers import parse_nrb
from idp.fees.charges import NewCharge
from idp.fees.lists import refuse_list
from idp.fees.money import parse_minor
from idp.fees.payments import NewPayment

CHARGE_COLUMNS = ("album", "title", "amount", "due", "reference")  # and, if wanted, title_en and kind
PAYMENT_COLUMNS = ("account", "amount", "ordered", "credited", "reference")

Entry = TypeVar("Entry")


def read_charges(file: Path, default_kind: str) -> list[NewCharge]:
    """Return the charges of a list.

    Shape:   album;title;title_en;amount;due;kind;reference
             12345;Legitymacja studencka;Student card;22.00;2026-10-15;fees;2026-card-12345
    Raises:  RefusedSource when it is no such table; InvalidInput with every mistake
    """

    def charge(cells: Mapping[str, str]) -> NewCharge:
        return NewCharge(
            album=cells["album"],
            title=cells["title"],
            minor=parse_minor(cells["amount"]),
            due_on=parse_day(cells["due"]),
            reference=cells["reference"],
            kind=cells.get("kind") or default_kind,
            title_en=cells.get("title_en", ""),
        )

    return _read(file, CHARGE_COLUMNS, charge)


def read_payments(file: Path) -> list[NewPayment]:
    """Return the payments of a list.

    Shape:   account;amount;ordered;credited;reference
             20 9990 0009 7777 0000 0001 2345;22.00;2026-10-12;2026-10-14;bank-2026-10-14-0017
             `ordered` may be empty: the bank does not always tell it
    Raises:  RefusedSource when it is no such table; InvalidInput with every mistake
    """

    def payment(cells: Mapping[str, str]) -> NewPayment:
        return NewPayment(
            nrb=parse_nrb(cells["account"]),
            minor=parse_minor(cells["amount"]),
            ordered_on=parse_day(cells["ordered"]) if cells["ordered"] else None,
            credited_on=parse_day(cells["credited"]),
            reference=cells["reference"],
        )

    return _read(file, PAYMENT_COLUMNS, payment)


def parse_day(text: str) -> date:
    """Return the day in `text`, like 2026-10-15. Raises: InvalidInput."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{text.strip()[:20]!r} is no date like 2026-10-15.") from None


def _read(file: Path, columns: tuple[str, ...], entry: Callable[[Mapping[str, str]], Entry]) -> list[Entry]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";", strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise RefusedSource(f"{file}: not a readable CSV file in UTF-8: {exc}", "unreadable") from exc
    entries: list[Entry] = []
    mistakes: list[tuple[int, IdpError]] = []
    for place, cells in enumerate(rows):
        try:
            entries.append(entry(_whole(cells, columns)))
        except IdpError as mistake:
            mistakes.append((place, mistake))
    refuse_list(mistakes, len(rows))
    return entries


def _whole(cells: Mapping[str | None, str | None], columns: tuple[str, ...]) -> Mapping[str, str]:
    """Return the cells without blanks around them, if no column is missing and none is too many."""
    missing = [column for column in columns if cells.get(column) is None]
    if missing or None in cells:
        raise InvalidInput(f"needs the columns {';'.join(columns)}")
    return {column: (cell or "").strip() for column, cell in cells.items() if column is not None}
