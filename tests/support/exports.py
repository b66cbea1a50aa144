"""Registry exports for tests: rows with good defaults, and files of them."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from idp.registry.rows import COLUMNS

DEFAULTS = {
    "os_id": "101",
    "nr_albumu": "12345",
    "imie": "Anna",
    "nazwisko": "Nowak",
    "data_ur": "1902-02-27",
    "plec": "K",
    "pesel": "02022700003",
    "obywatelstwo": "PL",
    "email_prywatny": "anna@example.com",
    "telefon": "+48000000001",
    "prog_kod": "INF-S1",
    "prog_nazwa": "Informatyka",
    "jednostka": "WEAI",
    "poziom": "1",
    "forma": "S",
    "status": "active",
    "status_od": "2025-10-01",
    "data_przyjecia": "2025-10-01",
    "zmieniono": "2026-09-01T10:00:00+02:00",
}
FOREIGNER = {"pesel": "", "obywatelstwo": "UA", "dok_rodzaj": "paszport", "dok_numer": "AB123456", "dok_kraj": "UA"}


def export_row(**changes: str) -> list[str]:
    """Return a good row, in the order of the columns, with changes by column name."""
    values = DEFAULTS | changes
    assert set(values) <= set(COLUMNS)
    return [values.get(name, "") for name in COLUMNS]


def person_rows(count: int, first: int = 1000, **changes: str) -> list[list[str]]:
    """Return rows of different people: foreigners, so that no PESEL has to fit."""
    return [
        export_row(
            **FOREIGNER
            | {"os_id": str(first + n), "nr_albumu": str(50_000 + first + n), "dok_numer": f"D{first + n}"}
            | changes
        )
        for n in range(count)
    ]


def export_text(rows: Iterable[list[str]], line_end: str = "\n") -> str:
    """Return an export of `rows`."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator=line_end)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def write_export(file: Path, rows: Iterable[list[str]], line_end: str = "\n") -> Path:
    """Write an export in UTF-8 and return its file."""
    file.write_bytes(export_text(rows, line_end).encode())
    return file
