"""Students as an import leaves them: person, enrolment and account rows, with good defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import insert

from idp.people.national_ids import DOCUMENT_END_USE, PESEL_END_USE
from idp.people.values import Album, album_number
from idp.store.base import Databases
from idp.store.keys import Keys
from idp.store.people import account, enrolment, person

SEEN = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
_TEXTS = ("previous_surname", "sex", "citizenships", "digest", "source_import")
UID_DIGITS = "23456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Student:
    """What a test says about a student; the rest follows."""

    person_id: str
    album: str | None = "12345"
    given_name: str = "Żaneta"
    middle_name: str = ""
    surname_prefix: str = ""
    surname: str = "Źdźbło-Ćwik"
    born_on: date | None = date(1905, 3, 14)
    pesel_end: str | None = "1359"
    document_end: str | None = None
    private_mail: str = "zaneta@example.org"
    status: str = "active"
    status_from: date = date(2026, 10, 1)
    admitted_on: date | None = date(2026, 7, 20)
    level: str = "1"
    enabled: bool = True
    claimed_at: datetime | None = None
    language: str = "pl"

    @property
    def uid(self) -> str:
        """A uid of the right form, made of the person_id."""
        number, letters = int.from_bytes(self.person_id.encode()) % 34**8, ""
        for _ in range(8):
            number, digit = divmod(number, 34)
            letters += UID_DIGITS[digit]
        return "u" + letters


def add_student(databases: Databases, keys: Keys, student: Student) -> Student:
    """Write a student's rows and return the student."""
    with databases.identity.write() as connection:
        connection.execute(insert(person).values(_person(student, keys)))
        connection.execute(insert(enrolment).values(_enrolment(student)))
        connection.execute(insert(account).values(_account(student)))
    return student


def _person(student: Student, keys: Keys) -> Mapping[str, object]:
    return {
        **dict.fromkeys(_TEXTS, ""),
        "person_id": student.person_id,
        "os_id": student.person_id,
        "album": student.album,
        "album_number": None if student.album is None else album_number(Album(student.album)),
        "uid": student.uid,
        "given_name": student.given_name,
        "middle_name": student.middle_name,
        "surname_prefix": student.surname_prefix,
        "surname": student.surname,
        "born_on": student.born_on,
        "pesel_end_mac": student.pesel_end and keys.mac(PESEL_END_USE, student.pesel_end),
        "document_end_mac": student.document_end and keys.mac(DOCUMENT_END_USE, student.document_end),
        "private_mail": student.private_mail,
        "changed_at": SEEN,
        "first_seen_at": SEEN,
        "source_line": 2,
    }


def _enrolment(student: Student) -> Mapping[str, object]:
    return {
        "person_id": student.person_id,
        "programme": "INF1S",
        "programme_name": "Informatyka",
        "unit": "WEAiI",
        "level": student.level,
        "form": "S",
        "status": student.status,
        "status_from": student.status_from,
        "admitted_on": student.admitted_on,
        "changed_at": SEEN,
    }


def _account(student: Student) -> Mapping[str, object]:
    return {
        "account_id": student.person_id,
        "kind": "student",
        "uid": student.uid,
        "role": "",
        "display_name": f"{student.given_name} {student.surname}".strip(),
        "mail": "",
        "enabled": student.enabled,
        "epoch": 1,
        "claimed_at": student.claimed_at,
        "language": student.language,
        "created_at": SEEN,
    }
