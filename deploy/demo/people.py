"""Who in the sample can be played: found in the export, checked against the service's own records."""

import csv
import secrets
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idp.accounts.claim_queries import Claimable, claimable_by_album
from idp.app.installation import Idp
from idp.people.national_ids import DOCUMENT_END_USE, PESEL_END_USE, last_four
from idp.people.values import Album, album_number

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A student who can claim an account now, with the details that the claim asks."""

    uid: str
    album: str
    given_name: str
    surname: str
    date_of_birth: str
    pesel: str
    document: str

    @property
    def id_end(self) -> str:
        """Last four characters of the PESEL, else of the document."""
        return (self.pesel or self.document)[-4:]

    def as_access(self) -> dict[str, str]:
        """Return what access.json says of one who is unclaimed."""
        national_id = {"pesel": self.pesel} if self.pesel else {"document": self.document}
        return {
            "album": self.album,
            "given_name": self.given_name,
            "surname": self.surname,
            "date_of_birth": self.date_of_birth,
            **national_id,
        }


def candidates(installation: Idp, sample: Path) -> list[Candidate]:
    """Return everybody of the export who is unclaimed now and whose details the records confirm, in its order.

    Raises:  LookupError never; an empty list means that everybody has claimed
    """
    with installation.databases.identity.read() as connection:
        found = []
        for row in _plain_rows(sample):
            known = claimable_by_album(connection, album_number(Album(row["nr_albumu"])))
            if known is not None and _can_claim(installation, known, row):
                found.append(_candidate(known, row))
    return found


def anyone_of(people: list[Candidate]) -> Candidate | None:
    """Return one of them, another one each time."""
    return secrets.choice(people) if people else None


def _plain_rows(sample: Path) -> Iterator[Row]:
    """Yield the rows of people who study one programme and whose record has nothing unusual."""
    people: dict[str, list[Row]] = defaultdict(list)
    with sample.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, delimiter=";"):
            people[row["os_id"]].append(row)
    needed = ("nr_albumu", "imie", "nazwisko", "data_ur")
    for rows in people.values():
        row = rows[0]
        if len(rows) == 1 and row["status"] == "active" and all(row[column] for column in needed):
            yield row


def _can_claim(installation: Idp, known: Claimable, row: Row) -> bool:
    pesel_end = installation.keys.mac(PESEL_END_USE, last_four(row["pesel"]))
    document_end = installation.keys.mac(DOCUMENT_END_USE, last_four(row["dok_numer"]))
    return (
        known.enabled
        and known.claimed_at is None
        and (known.given_name, known.surname) == (row["imie"], row["nazwisko"])
        and known.born_on is not None
        and known.born_on.isoformat() == row["data_ur"]
        and (known.pesel_end_mac == pesel_end if row["pesel"] else known.document_end_mac == document_end)
    )


def _candidate(known: Claimable, row: Row) -> Candidate:
    return Candidate(
        uid=known.uid,
        album=known.album,
        given_name=known.given_name,
        surname=known.surname,
        date_of_birth=row["data_ur"],
        pesel=row["pesel"],
        document=row["dok_numer"],
    )


def new_password() -> str:
    """Return a password that can be typed: five groups of four letters and digits, 100 bits."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))
