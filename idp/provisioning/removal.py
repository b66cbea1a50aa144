"""Remove the entries of people who are closed for long: announced by letter, in runs of their own, never staff's.

Only target entries are removed. The person, the account and all names stay. Somebody who returns is created again, and
claims the account again, because the password went with the entry.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.db.locks import exclusive
from idp.errors import Conflict, InvalidAddress
from idp.keys.key_files import Keys
from idp.letters.outgoing import queue_letter, require_address
from idp.people.account_queries import unclaim
from idp.people.status import Access, person_status
from idp.permissions import Actor, Permission
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.pin_queries import drop, kept_among
from idp.provisioning.pins import EXISTENCE
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute_changed
from idp.provisioning.records import PersonRecords
from idp.provisioning.removal_queries import (
    add_notices,
    closed_with_entries,
    drop_notices_of_removed,
    drop_notices_of_returned,
)
from idp.provisioning.run import ChangeRow, Run, RunKind
from idp.provisioning.run_steps import refuse_while_running
from idp.provisioning.target import Stage, Target, entries_named
from idp.provisioning.values import Change

LETTER = "removal"
REASON = "closed for long"
OF_STAFF = "entries of staff are never removed"


def why_kept(person: PersonRecords, closed_days: int, today: date) -> str:
    """Return why a person's entries must stay, or "". Pure.

    Shape:   closed_days: the records must have closed the person at least so many days ago
    """
    snapshot = person.snapshot
    if snapshot.is_staff:
        return OF_STAFF
    if snapshot.merged_into is not None:
        return "the record is merged into another one"
    if snapshot.status.access is not Access.CLOSED or not snapshot.enrolments:
        return "the records do not close the person any more"
    if any(pin.key == EXISTENCE for pin in person.kept.pins):
        return "an undo brought the entry back"
    then = today - timedelta(days=closed_days)
    sources = tuple(each.source for each in snapshot.sources)
    if person_status(snapshot.enrolments, sources, then, snapshot.settings.access_policy).access is not Access.CLOSED:
        return f"closed for less than {closed_days} days"
    return ""


# --- announce -------------------------------------------------------------------------------------------------------


def announce_removals(provisioner: Provisioner, keys: Keys) -> int:
    """Announce to everybody whose entries may soon be removed, once, and return to how many people.

    Effect:  a notice each, and a letter where the person has an address; removal.announced. The notice of somebody
             who returned is dropped
    """
    settings = provisioner.settings
    if not settings.remove_after_days:
        return 0
    provisioner.write(drop_notices_of_returned)
    soon = max(0, settings.remove_after_days - settings.removal_notice_days)
    count = 0
    for people in _closed(provisioner, soon, announced_by=None):
        with provisioner.databases.identity.write() as connection:
            add_notices(connection, [person.person_id for person in people], provisioner.clock.now())
            for person in people:
                _announce(connection, provisioner, keys, person)
        count += len(people)
    return count


def _announce(connection: Connection, provisioner: Provisioner, keys: Keys, person: PersonRecords) -> None:
    snapshot = person.snapshot
    on = (provisioner.today() + timedelta(days=provisioner.settings.removal_notice_days)).isoformat()
    to = snapshot.private_mail or snapshot.addresses.primary or ""
    is_written = True
    try:
        require_address(to)
        data = {"given_name": snapshot.given_name, "remove_on": on}
        key, language = f"{LETTER}:{snapshot.person_id}:{on}", snapshot.account.language or "pl"
        queue_letter(connection, keys, provisioner.clock, LETTER, key, snapshot.person_id, to, language, data)
    except InvalidAddress:
        is_written = False
    event = Event(event_types.REMOVAL_ANNOUNCED, snapshot.person_id, data={"remove_on": on, "letter": is_written})
    record(connection, provisioner.clock.timestamp(), event)


# --- plan -----------------------------------------------------------------------------------------------------------


def make_removal_plan(provisioner: Provisioner, actor: Actor) -> Run:
    """Return a plan that removes the entries of everybody whose removal was announced long enough ago.

    Raises:  NotAllowed;
             Conflict when the settings remove nobody, or a run is at work; TargetUnavailable, TargetRejected
    Effect:  a stored plan that always needs two approvals; nothing is written to a target
    """
    actor.require(Permission.RUNS_REMOVE)
    if not provisioner.settings.remove_after_days:
        raise Conflict("nobody is removed: set provisioning.remove_after_days")
    with exclusive(provisioner.databases, LOCK):
        refuse_while_running(provisioner)
        recompute_changed(provisioner)
        targets = _targets(provisioner)
        draft = Draft.begin(provisioner, actor.actor_id, [target.kind for target in targets], RunKind.REMOVAL)
        for target in targets:
            _plan_one(provisioner, target, draft)
        return draft.seal()


def _plan_one(provisioner: Provisioner, target: Target, draft: Draft) -> None:
    settings = provisioner.settings
    latest = provisioner.clock.now() - timedelta(days=settings.removal_notice_days)
    for people in _closed(provisioner, settings.remove_after_days, announced_by=latest):
        entries = entries_named(target, {person.person_id: person.snapshot.uid for person in people})
        closed = (entry for _, entry in sorted(entries.items()) if not entry.enabled)
        draft.add(target.kind, (Change.remove(entry, REASON) for entry in closed))


def _targets(provisioner: Provisioner) -> list[Target]:
    """Return the targets that have entries to remove; one that manages access alone has none."""
    return [target for target in provisioner.targets.values() if target.attributes]


def _closed(provisioner: Provisioner, days: int, announced_by: datetime | None) -> Iterator[list[PersonRecords]]:
    """Yield pages of people who are closed for so many days and have an entry somewhere."""
    kinds = [target.kind for target in _targets(provisioner)]
    for ids in provisioner.pages(partial(closed_with_entries, targets=kinds, announced_by=announced_by)):
        people = provisioner.read(provisioner.load, ids)
        if closed := [person for person in people if not why_kept(person, days, provisioner.today())]:
            yield closed


# --- while it is applied ---------------------------------------------------------------------------------------------


def overtaken(provisioner: Provisioner, _: Target, rows: Sequence[ChangeRow]) -> dict[int, str]:
    """Return by number the removals that must not be made any more, and why: somebody returned since the plan."""
    days, today = provisioner.settings.remove_after_days, provisioner.today()
    people = provisioner.records_of([row.person_id for row in rows])
    kept = {person_id: why_kept(each, days, today) for person_id, each in people.items()}
    return {row.number: why for row in rows if (why := kept.get(row.person_id, "our records do not know this person"))}


def end_kept(
    connection: Connection, _: Provisioner, run: Run, target: Target, done: Sequence[ChangeRow], at: datetime
) -> None:
    """End the pins and overrides of entries that a removal has removed."""
    del run, at
    person_ids = [row.person_id for row in done]
    drop(connection, (each.of_target(target.kind) for each in kept_among(connection, person_ids).values()))


def end_removed(
    connection: Connection, provisioner: Provisioner, run: Run, target: Target, done: Sequence[ChangeRow], at: datetime
) -> None:
    """End what belonged to entries that any run removed, after their states say so.

    Effect:  with the directory's entry the password is gone, so the claim ends. With a person's last entry the notice
             ends: until then a later plan removes the rest without another letter
    """
    del run, at
    person_ids = [row.person_id for row in done if row.after is None]
    if not person_ids:
        return
    if target.stage is Stage.DIRECTORY:
        unclaim(connection, person_ids)
    drop_notices_of_removed(connection, person_ids, [each.kind for each in _targets(provisioner)])
