"""Students as an import leaves them, with good defaults."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, select, update

from idp.db.databases import Databases
from idp.keys.key_files import Keys
from idp.people.national_ids import DOCUMENT_END_USE, PESEL_END_USE
from idp.people.queries import Identity, NewPerson, StampedEnrolment, add_people, load_person
from idp.people.status import Access
from idp.people.tables import account, person
from idp.people.values import Enrolment, Person, Status

SEEN = datetime(2026, 9, 15, 8, 0, tzinfo=UTC)
UID_LETTERS = "23456789abcdefghijklmnopqrstuvwxyz"


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
            letters += UID_LETTERS[digit]
        return "u" + letters


def add_student(databases: Databases, keys: Keys, student: Student) -> Student:
    """Write a student's rows, with an account as a first run leaves it, and return the student."""
    with databases.identity.write() as connection:
        add_people(connection, [_new_person(student, keys)], "test-import", SEEN)
        connection.execute(
            update(account)
            .where(account.c.account_id == student.person_id)
            .values(claimed_at=student.claimed_at, enabled=student.enabled, epoch=1)
        )
    return student


def _new_person(student: Student, keys: Keys) -> NewPerson:
    return NewPerson(
        person_id=student.person_id,
        os_id=student.person_id[-20:],  # no longer than the column, which PostgreSQL minds
        uid=student.uid,
        identity=_identity(student, keys),
        changed_at=SEEN,
        digest=1,
        access=Access.ACTIVE if student.enabled else Access.SUSPENDED,
        review_on=None,
        language=student.language,
        line=2,
        enrolments=(StampedEnrolment(_enrolment(student), SEEN),),
    )


def _identity(student: Student, keys: Keys) -> Identity:
    return Identity(
        album=student.album,
        given_name=student.given_name,
        middle_name=student.middle_name,
        surname_prefix=student.surname_prefix,
        surname=student.surname,
        previous_surname="",
        born_on=student.born_on,
        sex="",
        citizenships="PL",
        private_mail=student.private_mail,
        pesel_mac=None,
        pesel_end_mac=student.pesel_end and keys.mac(PESEL_END_USE, student.pesel_end),
        document_mac=None,
        document_end_mac=student.document_end and keys.mac(DOCUMENT_END_USE, student.document_end),
    )


def _enrolment(student: Student) -> Enrolment:
    return Enrolment(
        programme="INF1S",
        programme_name="Informatyka",
        unit="WEAiI",
        level=student.level,
        form="S",
        status=Status(student.status),
        status_from=student.status_from,
        admitted_on=student.admitted_on,
        ends_on=None,
    )


def find_by_os_id(connection: Connection, os_id: str) -> Person | None:
    """Return whom the registry knows by this number."""
    query = select(person.c.person_id).where(person.c.os_id == os_id)
    person_id = connection.execute(query).scalar_one_or_none()
    return None if person_id is None else load_person(connection, person_id)
