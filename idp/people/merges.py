"""Two records of one person count as one, or as two again. The records themselves do not change.

While a merge is in force, the merged record's programmes and addresses count for the kept one, and its own entries are
closed. Names stay assigned to their first owner. A run plans a merge, puts it in force, and ends it
(idp.provisioning.merging). Every function here works in the caller's transaction.
"""

from datetime import datetime

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record
from idp.errors import Conflict, LastAdministrator, NotFound, StaleVersion
from idp.people.account_queries import load_account, refuse_last_administrator
from idp.people.change_queries import queue_recompute
from idp.people.merge_queries import (
    Merge,
    begin_merge,
    end_merge,
    load_merge,
    merges_in_force,
    put_back_merge,
    settle_pair,
)
from idp.people.values import MergeState, PairState


def refuse_to_merge(connection: Connection, kept: str, merged: str) -> None:
    """Return if two records may become one person.

    Raises:  Conflict when one of them was merged already; LastAdministrator
    """
    if (account := load_account(connection, merged)) is not None:
        refuse_last_administrator(connection, account)
    if kept == merged:
        raise Conflict("that is one person already")
    for one in merges_in_force(connection):
        if one.merged in (kept, merged):
            raise Conflict("one of them was merged into another person; take that back first: idp people unmerge")
        if one.kept == merged:
            raise Conflict("others were merged into the one that is to go; take that back first: idp people unmerge")


def put_in_force(
    connection: Connection, run_id: str, undoes: str | None, actor: str, at: datetime
) -> tuple[Merge, bool]:
    """Begin the merge of a run, or end the one of the run that it undoes.

    Shape:   the merge, and whether this run did that, now or before a kill
    Raises:  NotFound; StaleVersion when another merge in force stands against it by now; LastAdministrator
    Effect:  both people are computed again; person.merged or person.unmerged; a repeat is harmless
    """
    merge = _load(connection, undoes or run_id)
    is_ours = True
    if undoes:
        is_new = end_merge(connection, merge.began_run_id, run_id)
        is_ours = is_new or merge.ended_run_id == run_id  # any of several runs may end it
    else:
        if merge.state is MergeState.PLANNED:
            _refuse_if_overtaken(connection, merge)
        is_new = begin_merge(connection, merge.began_run_id)
    if is_new:
        _note(connection, run_id, merge, actor, at, is_one=not undoes)
    return merge, is_ours


def take_out_of_force(connection: Connection, run_id: str, undoes: str | None, actor: str, at: datetime) -> Merge:
    """Put a merge back into its state before a run that ends without having written anything.

    Effect:  as `put_in_force`, the other way round
    """
    merge = _load(connection, undoes or run_id)
    if put_back_merge(connection, run_id):
        _note(connection, run_id, merge, actor, at, is_one=bool(undoes), reason="the run wrote nothing")
    return merge


def _load(connection: Connection, began_run_id: str) -> Merge:
    merge = load_merge(connection, began_run_id)
    if merge is None:
        raise NotFound(f"run {began_run_id} has no merge")
    return merge


def _refuse_if_overtaken(connection: Connection, merge: Merge) -> None:
    try:
        refuse_to_merge(connection, merge.kept, merge.merged)
    except LastAdministrator:
        raise
    except Conflict as error:
        raise StaleVersion(f"another merge came into force since this plan was made: {error}") from error


def _note(
    connection: Connection, run_id: str, merge: Merge, actor: str, at: datetime, *, is_one: bool, reason: str = ""
) -> None:
    word = event_types.PERSON_MERGED if is_one else event_types.PERSON_UNMERGED
    state = PairState.MERGED if is_one else PairState.OPEN
    settle_pair(connection, merge.kept, merge.merged, state, at, actor)
    queue_recompute(connection, [merge.kept, merge.merged])
    event = Event(word, merge.kept, actor, reason, {"merged": merge.merged, "run": run_id})
    record(connection, at.timestamp(), event)
