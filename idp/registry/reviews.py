"""Apply what time alone changes: a grace period ends, 31 October passes, a status begins."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.clock import Clock
from idp.db.databases import Databases
from idp.people import queries as people
from idp.people.change_queries import queue_recompute
from idp.people.queries import PersonRecord
from idp.people.status import AccessPolicy, local_date, person_status
from idp.people.values import Source
from idp.permissions import Actor, Permission

AT_ONCE = 500
"""People per transaction. On 1 November thousands change on one day, and others must be able to write."""


def review_statuses(databases: Databases, policy: AccessPolicy, clock: Clock, zone: ZoneInfo, actor: Actor) -> int:
    """Review people whose review date has come, and return how many.

    Raises:  NotAllowed
    Effect:  provisioning is marked, so that a guarded run opens or closes accounts and entries; an event says what
             changed and why; a repeat does nothing
    """
    actor.require(Permission.RECORDS_IMPORT)
    now = clock.now()
    today = local_date(now, zone)
    with databases.identity.read() as connection:
        if not people.due_for_review(connection, today, limit=1):
            return 0
    with databases.identity.write() as connection:
        due = people.due_for_review(connection, today, limit=AT_ONCE)
        for person in due:
            _review(connection, person, now, today, policy)
        queue_recompute(connection, [person.person_id for person in due])
    return len(due)


def _review(connection: Connection, person: PersonRecord, now: datetime, today: date, policy: AccessPolicy) -> None:
    enrolments = [one.enrolment for one in person.enrolments]
    new = person_status(enrolments, (Source.REGISTRY,), today, policy)
    people.set_status(connection, person.person_id, new.access, new.changes_on)
    before = person_status(enrolments, (Source.REGISTRY,), (person.review_on or today) - timedelta(days=1), policy)
    if (before.affiliations, person.access) != (new.affiliations, new.access):
        data = {"fields": ["status"], "access": new.access.value, "affiliations": list(new.affiliations)}
        event = Event(event_types.PERSON_CHANGED, person.person_id, reason=new.reason.value, data=data)
        record(connection, now.timestamp(), event)
