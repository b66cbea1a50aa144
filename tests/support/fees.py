"""The fees application for tests: its database on SQLite or PostgreSQL, students, and signed-in browsers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import delete, text

from idp.fees.database import Database, open_database
from idp.fees.settings import FeesSettings
from idp.fees.tables import metadata

HEADER = (
    "os_id;nr_albumu;imie;imie2;prefiks_nazwiska;nazwisko;nazwisko_poprzednie;data_ur;plec;pesel;dok_rodzaj;dok_numer;"
    "dok_kraj;obywatelstwo;email_prywatny;telefon;prog_kod;prog_nazwa;jednostka;poziom;forma;status;status_od;"
    "data_przyjecia;data_zakonczenia;zmieniono"
)
DEFAULTS = {
    "os_id": "1001",
    "nr_albumu": "12345",
    "imie": "Żaneta",
    "nazwisko": "Źdźbło-Ćwik",
    "prog_kod": "INF-S1",
    "prog_nazwa": "Informatyka",
    "jednostka": "Wydział Elektrotechniki, Automatyki i Informatyki",
    "poziom": "1",
    "forma": "S",
    "status": "active",
    "status_od": "2026-10-01",
    "zmieniono": "2026-09-20T08:00:00+02:00",
}


def student_row(**cells: str) -> dict[str, str]:
    """Return a row of the registry export with good defaults."""
    return DEFAULTS | cells


def registry_export(file: Path, rows: Sequence[dict[str, str]], header: str = HEADER) -> Path:
    """Write an export and return its file."""
    columns = header.split(";")
    lines = [header, *(";".join(row.get(column, "") for column in columns) for row in rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@contextmanager
def sqlite_fees(folder: Path) -> Iterator[Database]:
    """Yield an empty fees database in a file."""
    with _opened(FeesSettings(folder=folder)) as database:
        yield database


@contextmanager
def postgresql_fees(url: str) -> Iterator[Database]:
    """Yield the fees database of a PostgreSQL server, emptied."""
    with _opened(FeesSettings(postgresql_url=SecretStr(url))) as database:
        with database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        yield database


@contextmanager
def _opened(settings: FeesSettings) -> Iterator[Database]:
    database = open_database(settings)
    try:
        with database.write() as connection:
            if not database.is_sqlite:
                connection.execute(text("CREATE SCHEMA IF NOT EXISTS fees"))
            metadata.create_all(connection)
        yield database
    finally:
        database.close()
