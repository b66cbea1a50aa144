"""Merge two records of one person, and end a merge: by runs like any other. The records themselves do not change.

While a merge is in force, the merged record's programmes and addresses count for the kept one, and its own entries are
closed. Names stay assigned to their first owner. When the merge ends, everything is as the records say of each.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, new_id, record
from idp.db.locks import exclusive
from idp.errors import Conflict, NotFound, StaleVersion
from idp.people.account_queries import load_account, refuse_last_administrator
from idp.people.change_queries import queue_recompute
from idp.people.merge_queries import (
    Merge,
    begin_merge,
    end_merge,
    load_merge,
    merges_in_force,
    plan_merge,
    put_back_merge,
    settle_pair,
)
from idp.people.values import MergeState, PairState
from idp.permissions import Actor, Permission
from idp.provisioning.compare import compare
from idp.provisioning.draft import LOCK, Draft
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.recompute import recompute
from idp.provisioning.runs import Run, RunKind
from idp.provisioning.target import entries_named


def make_merge(provisioner: Provisioner, kept: str, merged: str, actor: Actor) -> Run:
    """Return a plan that makes one person of two records; `kept` is the one that stays.

    Raises:  NotAllowed; NotFound; Conflict when one of them was merged already; LastAdministrator; TargetUnavailable
    Effect:  a stored plan, to be applied like any other; until then nothing has changed
    """
    actor.require(Permission.PEOPLE_MERGE)
    with exclusive(provisioner.databases, LOCK):
        with provisioner.databases.identity.read() as connection:
            in_force = merges_in_force(connection)
            if (account := load_account(connection, merged)) is not None:
                refuse_last_administrator(connection, account)
        _refuse_to_merge(kept, merged, in_force)
        new = Merge(new_id(), kept, merged, provisioner.clock.now(), actor.actor_id)
        draft = _plan(provisioner, new.began_run_id, actor.actor_id, [merged, kept], [*in_force, new])
        with provisioner.databases.identity.write() as connection:
            plan_merge(connection, new)
        return draft.seal()


def make_unmerge(provisioner: Provisioner, kept: str, merged: str, actor: Actor) -> Run:
    """Return a plan that makes two people of what was merged.

    Raises:  NotAllowed; NotFound when they are not merged; TargetUnavailable
    """
    actor.require(Permission.PEOPLE_MERGE)
    with exclusive(provisioner.databases, LOCK):
        with provisioner.databases.identity.read() as connection:
            in_force = merges_in_force(connection)
        old = next((one for one in in_force if (one.kept, one.merged) == (kept, merged)), None)
        if old is None:
            raise NotFound("these two are not merged")
        rest = [one for one in in_force if one != old]
        return _plan(provisioner, new_id(), actor.actor_id, [kept, merged], rest, undoes=old.began_run_id).seal()


def _refuse_to_merge(kept: str, merged: str, in_force: Sequence[Merge]) -> None:
    if kept == merged:
        raise Conflict("that is one person already")
    for one in in_force:
        if one.merged in (kept, merged):
            raise Conflict("one of them was merged into another person; take that back first: idp people unmerge")
        if one.kept == merged:
            raise Conflict("others were merged into the one that is to go; take that back first: idp people unmerge")


def _plan(
    provisioner: Provisioner,
    run_id: str,
    actor: str,
    order: Sequence[str],
    merges: Sequence[Merge],
    undoes: str | None = None,
) -> Draft:
    """Write the plan, changes in `order` of people: an address must be given up before another entry may have it."""
    people = provisioner.read(provisioner.load, order, merges)
    if len(people) != len(set(order)):
        raise NotFound("there is no such person")
    people.sort(key=lambda person: order.index(person.person_id))
    draft = Draft.begin(provisioner, actor, provisioner.targets, RunKind.MERGE, undoes, run_id)
    for kind, target in provisioner.targets.items():
        desired = [provisioner.effective_entry(person, target) for person in people]
        observed = entries_named(target, {entry.person_id: entry.name for entry in desired}).values()
        comparison = compare(desired, observed)
        draft.add(kind, comparison.changes, comparison.findings)
    return draft


def put_in_force(provisioner: Provisioner, run: Run) -> bool:
    """Begin or end the merge that a run is about, and return whether this run did that, now or before a kill.

    Raises:  StaleVersion when another merge in force stands against it by now
    Effect:  what is desired of both; person.merged or person.unmerged; a repeat is harmless
    """
    with provisioner.databases.identity.write() as connection:
        merge = _merge_of(connection, run)
        if run.undoes:
            is_new = end_merge(connection, merge.began_run_id, run.run_id)
            is_ours = is_new or merge.ended_run_id == run.run_id  # any of several runs may end it
        else:
            if merge.state is MergeState.PLANNED:
                _refuse_if_overtaken(connection, merge)
            is_new = begin_merge(connection, merge.began_run_id)
            is_ours = True
        if is_new:
            _note(provisioner, connection, run, merge, is_one=not run.undoes)
    recompute(provisioner, [merge.kept, merge.merged])
    return is_ours


def take_out_of_force(provisioner: Provisioner, run: Run) -> None:
    """Put a merge back into its state before a run that ends without having written anything.

    Effect:  as `put_in_force`, the other way round
    """
    with provisioner.databases.identity.write() as connection:
        merge = _merge_of(connection, run)
        if is_new := put_back_merge(connection, run.run_id):
            _note(provisioner, connection, run, merge, is_one=bool(run.undoes), reason="the run wrote nothing")
    if is_new:
        recompute(provisioner, [merge.kept, merge.merged])


def _merge_of(connection: Connection, run: Run) -> Merge:
    merge = load_merge(connection, run.undoes or run.run_id)
    if merge is None:
        raise NotFound(f"run {run.run_id} has no merge")
    return merge


def _refuse_if_overtaken(connection: Connection, merge: Merge) -> None:
    if (account := load_account(connection, merge.merged)) is not None:
        refuse_last_administrator(connection, account)
    try:
        _refuse_to_merge(merge.kept, merge.merged, merges_in_force(connection))
    except Conflict as error:
        raise StaleVersion(f"another merge came into force since this plan was made: {error}") from error


def _note(
    provisioner: Provisioner, connection: Connection, run: Run, merge: Merge, *, is_one: bool, reason: str = ""
) -> None:
    at = provisioner.clock.now()
    word, state = (
        (event_types.PERSON_MERGED, PairState.MERGED) if is_one else (event_types.PERSON_UNMERGED, PairState.OPEN)
    )
    settle_pair(connection, merge.kept, merge.merged, state, at, run.requested_by)
    queue_recompute(connection, [merge.kept, merge.merged])
    event = Event(word, merge.kept, run.requested_by, reason, {"merged": merge.merged, "run": run.run_id})
    record(connection, at.timestamp(), event)
