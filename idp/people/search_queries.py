"""Find people by name."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from idp.people.names import search_key
from idp.people.status import Access
from idp.people.tables import account, person
from idp.people.values import AccountKind

BATCH = 2000  # rows read at a time


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """What tells one person from another of the same name."""

    person_id: str
    album: str | None
    uid: str
    name: str
    born_on: date | None
    access: str  # of staff: whether the account is open
    is_staff: bool


def find_by_name(connection: Connection, text: str, limit: int) -> list[FoundPerson]:
    """Return people of whose names each word of `text` begins one, sorted by name, at most `limit` of them.

    Shape:   "now ANNA" finds "Anna Nowak"; "zolc" finds "Żółć"; a text without a letter finds nobody
    """
    wanted = search_key(text).split()
    if not wanted:
        return []
    names = (person.c.given_name, person.c.middle_name, person.c.surname_prefix, person.c.surname)
    columns = (person.c.person_id, person.c.album, person.c.uid, person.c.born_on, person.c.access)
    # The stored access follows from studies, so it says nothing of staff.
    is_staff_account = (account.c.account_id == person.c.person_id) & (account.c.kind == AccountKind.STAFF)
    query = select(*columns, account.c.enabled, *names).outerjoin(account, is_staff_account)
    found = []
    # Folding is ours and not the database's, so everybody is read: 10 s for a million people, which nobody has.
    with connection.execute(query, execution_options={"yield_per": BATCH}) as rows:
        for row in rows:
            name = " ".join(part for part in row[6:] if part)
            words = search_key(name).split()
            if all(any(word.startswith(each) for word in words) for each in wanted):
                is_staff = row.enabled is not None
                access = row.access if not is_staff else Access.ACTIVE if row.enabled else Access.CLOSED
                found.append(FoundPerson(row.person_id, row.album, row.uid, name, row.born_on, access, is_staff))
    return sorted(found, key=lambda one: (search_key(one.name), one.person_id))[:limit]
