"""Bring people true without being told to run: one at once in the request that changed them, the rest by the worker."""

from collections.abc import Collection, Sequence

import structlog

from idp.audit import event_types
from idp.audit.events import SYSTEM, Event, record
from idp.errors import CanaryFailed, Conflict, NotFound, TargetError, TargetRejected, TargetUnavailable, UnsafePlan
from idp.people.change_queries import Mark, clear_marks, due_marks, hand_over, mark_others_dirty, marks_among, put_off
from idp.provisioning import health
from idp.provisioning import run_queries as runs
from idp.provisioning.applying import apply_run
from idp.provisioning.pins import effective_entry
from idp.provisioning.plan import plan
from idp.provisioning.planning import make_plan, refresh_some
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords, load_records
from idp.provisioning.state_queries import confirm, doubt, refused, states_among
from idp.provisioning.target import Target
from idp.provisioning.undecided import left_to_people
from idp.provisioning.values import Change, Entry, Kind

LIVE_AT_ONCE = 100  # people per sweep: the worker has other things to do, too
TRIES_AT_ONCE = 3

log = structlog.get_logger()


def reconcile_person(
    provisioner: Provisioner,
    person_id: str,
    actor: str = SYSTEM,
    *,
    is_patient: bool = True,
    needed: Collection[str] | None = None,
) -> None:
    """Return when every target, or each needed one, has this person as the records ask.

    Shape:   is_patient: try also where a target refused the person so often that we gave up
             needed: kinds of target; where another one fails, that is left to the worker, by a mark
    Raises:  NotFound; TargetUnavailable, TargetRejected: then the mark that the cause left stays for the worker
    Effect:  what differs is written, with target.changed; a repeat is harmless. A target that fails keeps no other one
             from being written. Nobody is shut out by the records alone: they may be a bad file, so that is left for a
             guarded run
    """
    for _ in range(TRIES_AT_ONCE):
        # Before the write, so that a slower writer sees that it is late; and of what we read, what still stands.
        (seen,) = refresh_some(provisioner, [_seen(provisioner, person_id)]).seen
        settled: list[bool | None] = []
        failures: dict[str, TargetError] = {}
        for target in _in_order(provisioner, seen):
            try:
                settled.append(_bring_true_in(provisioner, target, seen, actor, is_patient=is_patient))
            except TargetError as error:
                failures[target.kind] = error
        for kind, failure in failures.items():
            if needed is None or kind in needed:
                raise failure
        if all(settled) and failures:
            with provisioner.databases.identity.write() as connection:
                why = str(next(iter(failures.values())))
                mark_others_dirty(connection, [person_id], provisioner.clock.timestamp(), why)
            return
        if all(settled):
            with provisioner.databases.identity.write() as connection:
                clear_marks(connection, [(person_id, seen.change_id)])
            return
        if None in settled:
            with provisioner.databases.identity.write() as connection:
                hand_over(connection, person_id, seen.change_id)
            return
    # The records changed each time we looked. Whoever changed them left a mark, so the worker goes on.
    raise TargetUnavailable(f"{person_id} is being changed by somebody else")


def _in_order(provisioner: Provisioner, seen: PersonRecords) -> list[Target]:
    """Doors close from the first target on and open from the last one on, as in a run (idp.provisioning.parts)."""
    targets = list(provisioner.targets.values())
    return targets[::-1] if seen.snapshot.may_sign_in else targets


def _seen(provisioner: Provisioner, person_id: str) -> PersonRecords:
    with provisioner.databases.identity.read() as connection:
        found = load_records(connection, [person_id], provisioner.people, provisioner.today())
    if not found:
        raise NotFound(f"there is no person {person_id}")
    return found[0]


def _bring_true_in(
    provisioner: Provisioner, target: Target, seen: PersonRecords, actor: str, *, is_patient: bool
) -> bool | None:
    """Return whether what this target has is still desired, or nothing is to be done; None: left for a guarded run."""
    wanted = effective_entry(seen.snapshot, target, seen.kept, provisioner.targets.values())
    if not is_patient:
        with provisioner.databases.identity.read() as connection:
            state = states_among(connection, target.kind, [wanted.person_id]).get(wanted.person_id)
        if state is not None and state.is_given_up:
            return True
    health.refuse_if_closed(provisioner, target.kind)
    try:
        found = target.read_one(wanted.person_id, wanted.name)
        change = next((each for each in plan([wanted], [found] if found else []) if isinstance(each, Change)), None)
        if change is not None and change.kind is Kind.DISABLE and not seen.snapshot.is_locked:
            return None
        if change is not None:
            with provisioner.databases.identity.write() as connection:
                doubt(connection, target.kind, [wanted.person_id])  # the answer may be lost (writing)
            target.apply_one(change)
            health.note_success(provisioner, target.kind)  # not by a look: a read-only server answers that, too
    except TargetUnavailable as error:
        health.note_failure(provisioner, target.kind, error)
        raise
    except TargetRejected as error:
        _note_refusal(provisioner, target, wanted, actor, error)
        raise
    is_there = found is not None or change is not None
    return _note(provisioner, target, wanted, change, actor, is_there=is_there)


def _note_refusal(provisioner: Provisioner, target: Target, wanted: Entry, actor: str, error: TargetRejected) -> None:
    with provisioner.databases.identity.write() as connection:
        tries = [(wanted.person_id, str(error))]
        for person_id in refused(connection, target.kind, tries, provisioner.settings.tries):
            event = Event(event_types.TARGET_GAVE_UP, person_id, actor, data={"run": "", "target": target.kind})
            record(connection, provisioner.clock.timestamp(), event)


def _note(
    provisioner: Provisioner, target: Target, wanted: Entry, change: Change | None, actor: str, *, is_there: bool
) -> bool:
    now = provisioner.clock.now()
    with provisioner.databases.identity.write() as connection:
        state = states_among(connection, target.kind, [wanted.person_id])[wanted.person_id]
        if state.desired != wanted.digest:
            doubt(connection, target.kind, [wanted.person_id])
        elif is_there:
            confirm(connection, target.kind, [(wanted.person_id, wanted.digest)], "", now, is_seen=change is None)
        if change is not None:
            names = [name for name, _, _ in change.differences()]
            data = {"run": "", "target": target.kind, "kind": change.kind.value, "attributes": names}
            event = Event(
                event_types.TARGET_CHANGED, subject=wanted.person_id, actor=actor, reason=change.reason, data=data
            )
            record(connection, now.timestamp(), event)
    return state.desired == wanted.digest


# --- the worker -----------------------------------------------------------------------------------------------------


def sweep_dirty(provisioner: Provisioner) -> int:
    """Write what people's own acts and imports changed, and return how many people."""
    return sweep_live(provisioner) + sweep_imported(provisioner)


def sweep_live(provisioner: Provisioner) -> int:
    """Write the changes that people's own acts caused, one person after the other, and return how many people."""
    done = 0
    for mark in _due(provisioner, is_live=True, limit=LIVE_AT_ONCE):
        try:
            reconcile_person(provisioner, mark.person_id, is_patient=False)
            done += 1
        except TargetUnavailable as error:
            _wait_for_target(provisioner, [mark], error)
        except (TargetError, NotFound) as error:
            _put_off(provisioner, [mark], error)
    return done


def sweep_imported(provisioner: Provisioner) -> int:
    """Write what imports changed, in one guarded run, if it is few people; return how many people.

    Effect:  who fails is tried again later, at growing intervals. Many people, or a plan over the limits, wait for
             `idp apply`: a worker does not carry out a file that is wrong about everybody
    """
    most = provisioner.settings.sweep_people
    marks = _due(provisioner, is_live=False, limit=most + 1)
    if len(marks) > most:
        return 0
    marks = _not_carried(provisioner, marks)
    if not marks:
        return 0
    with provisioner.databases.identity.read() as connection:
        ids = [mark.person_id for mark in marks]
        seen = load_records(connection, ids, provisioner.people, provisioner.today())
    waiting = _not_left_to_people(provisioner, marks, refresh_some(provisioner, seen).waiting)
    if not waiting:
        return 0
    marks = [mark for mark in marks if mark.person_id in waiting]
    done, why, unread = 0, "rejected, or left for the next try", ""
    try:
        run = make_plan(provisioner, SYSTEM, person_ids=waiting)
        unread = run.unread
        done = apply_run(provisioner, run.run_id, SYSTEM).done
    except Conflict:
        return 0  # somebody else plans or applies now: next time
    except TargetUnavailable as error:  # not at growing intervals: as soon as it is back they are owed
        _wait_for_target(provisioner, marks, error, at_least_s=provisioner.settings.retry_s)
        return 0
    except (TargetError, UnsafePlan, CanaryFailed) as error:
        why = str(error)
    with provisioner.databases.identity.read() as connection:
        still = marks_among(connection, waiting)
    left = [mark for mark in marks if still.get(mark.person_id) == mark.mark]
    if left and unread:
        _wait_for_target(provisioner, left, unread, at_least_s=provisioner.settings.retry_s)
    elif left:
        _put_off(provisioner, left, why)
    return done


def _not_carried(provisioner: Provisioner, marks: Sequence[Mark]) -> list[Mark]:
    """Leave out whom another run sees to.

    While one is carried out, or about to be, nobody is left. One that is tried again later keeps its own people alone:
    somebody whom a target fails each time must not hold up all others.
    """
    with provisioner.databases.identity.read() as connection:
        found = [
            run for run in runs.runs_in(connection, (runs.APPROVED, runs.APPLYING, runs.INCOMPLETE)) if run.goes_on
        ]
        if any(run.state != runs.INCOMPLETE for run in found):
            return []
        again = [run.run_id for run in found]
        theirs = runs.people_among(connection, again, [mark.person_id for mark in marks]) if again else set()
    return [mark for mark in marks if mark.person_id not in theirs]


def _not_left_to_people(provisioner: Provisioner, marks: Sequence[Mark], waiting: Collection[str]) -> list[str]:
    """Leave out whom a run has about which people decide: another plan of them says no more.

    Effect:  they are looked at again later, at growing intervals
    """
    left = left_to_people(provisioner, waiting)
    if of_those := [mark for mark in marks if mark.person_id in left]:
        _put_off(provisioner, of_those, left[of_those[0].person_id])
    return sorted(person_id for person_id in waiting if person_id not in left)


def _due(provisioner: Provisioner, *, is_live: bool, limit: int) -> list[Mark]:
    with provisioner.databases.identity.read() as connection:
        return due_marks(connection, is_live=is_live, now=provisioner.clock.timestamp(), limit=limit)


def _wait_for_target(
    provisioner: Provisioner, marks: Sequence[Mark], error: Exception | str, *, at_least_s: float = 0.0
) -> None:
    """Have people tried again as soon as the target may be: it is ill and not they."""
    pause_s = max([0.0, *(health.closed_for(provisioner, kind) for kind in provisioner.targets)])
    due_at = provisioner.clock.timestamp() + max(pause_s, provisioner.settings.target_retry_s, at_least_s)
    with provisioner.databases.identity.write() as connection:
        put_off(connection, marks, due_at, str(error), is_try=False)


def _put_off(provisioner: Provisioner, marks: Sequence[Mark], error: Exception | str) -> None:
    settings = provisioner.settings
    tries = max(mark.tries for mark in marks)
    wait_s = min(settings.retry_s * 2 ** min(tries, 20), settings.retry_most_s)
    log.warning("targets not true yet", people=len(marks), error=str(error), next_try_s=wait_s)
    with provisioner.databases.identity.write() as connection:
        put_off(connection, marks, provisioner.clock.timestamp() + wait_s, str(error))
