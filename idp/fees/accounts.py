"""Open individual accounts: a number for whoever has none of a kind, made from a serial that is never given twice."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.fees import tables
from idp.fees.account_numbers import make_nrb
from idp.fees.settings import AccountKind


def open_missing_accounts(connection: Connection, bank_code: str, kinds: Mapping[str, AccountKind], today: date) -> int:
    """Return how many accounts were opened.

    Effect:  every student has an account of every kind from `today`; a repeat opens none, and no number is ever
             closed or changed here
    """
    opened = 0
    for name, kind in kinds.items():
        students = _without_account(connection, name, kind.currency)
        if not students:
            continue
        first = _take_serials(connection, len(students))
        rows = [
            {
                "nrb": make_nrb(bank_code, kind.prefix, first + position),
                "student_id": student_id,
                "kind": name,
                "currency": kind.currency,
                "valid_from": today,
            }
            for position, student_id in enumerate(students)
        ]
        connection.execute(insert(tables.account), rows)
        opened += len(rows)
    return opened


def _without_account(connection: Connection, kind: str, currency: str) -> Sequence[int]:
    account, student = tables.account.c, tables.student.c
    has_one = (
        select(account.nrb)
        .where(account.student_id == student.student_id, account.kind == kind)
        .where(account.currency == currency, account.valid_to.is_(None))
        .exists()
    )
    return connection.scalars(select(student.student_id).where(~has_one).order_by(student.student_id)).all()


def _take_serials(connection: Connection, count: int) -> int:
    """Return the first of `count` new serials; one statement, so that two takers never get the same."""
    upsert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    serial = tables.payer_serial
    taken = (
        upsert(serial)
        .values(name="payer", last=count)
        .on_conflict_do_update(index_elements=[serial.c.name], set_={"last": serial.c.last + count})
        .returning(serial.c.last)
    )
    return int(connection.execute(taken).scalar_one()) - count + 1
