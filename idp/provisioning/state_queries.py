"""What each target should have of each person, what was applied there, and what must be written: the work list."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from more_itertools import chunked
from sqlalchemy import Connection, bindparam, func, or_, select, text, update

from idp.db.bulk import as_bound, run_many
from idp.people.values import Priority
from idp.provisioning.states import NOT_SHOWN, Patience, Presence, State
from idp.provisioning.tables import target_rules, target_state

BATCH = 1000  # rows per statement: below every driver's limit of bound values


@dataclass(frozen=True, slots=True)
class Desired:
    """The digest of what one target should have of one person."""

    person_id: str
    digest: str
    presence: Presence
    priority: Priority = Priority.BULK


@dataclass(frozen=True, slots=True)
class TargetState:
    """What is known of one person in one target."""

    state: State
    desired: str
    applied: str | None
    presence: Presence
    priority: Priority
    change_token: str
    attempts: int
    delays: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None

    def is_desired(self, digest: str, presence: Presence) -> bool:
        """Return whether exactly this is desired."""
        return (self.desired, self.presence) == (digest, presence)

    def is_due(self, now: datetime) -> bool:
        """Return whether something must be written now."""
        return self.next_attempt_at is not None and self.next_attempt_at <= now


_COLUMNS = tuple(target_state.c[name] for name in TargetState.__dataclass_fields__)


def states_among(
    connection: Connection, target: str, person_ids: Sequence[str], *, alone: bool = False
) -> dict[str, TargetState]:
    """Return the states of those of some people who have one; `alone`: nobody else writes them in this transaction."""
    found: dict[str, TargetState] = {}
    for batch in chunked(person_ids, BATCH):
        query = select(target_state.c.person_id, *_COLUMNS).where(
            target_state.c.target == target, target_state.c.person_id.in_(batch)
        )
        for row in connection.execute(query.with_for_update() if alone else query):
            found[row[0]] = TargetState(State(row[1]), row[2], row[3], Presence(row[4]), Priority(row[5]), *row[6:])
    return found


def desired_among(
    connection: Connection, targets: Collection[str], person_ids: Sequence[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return digest and presence of what is desired of some people, by target and person."""
    columns = (target_state.c[name] for name in ("target", "person_id", "desired", "presence"))
    query = select(*columns).where(target_state.c.target.in_(targets), target_state.c.person_id.in_(person_ids))
    return {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(query)}


def accepted_among(connection: Connection, target: str, person_ids: Sequence[str]) -> set[str]:
    """Return those of some people whose last write a target took and did not show yet."""
    query = select(target_state.c.person_id).where(
        target_state.c.target == target,
        target_state.c.state == State.ACCEPTED,
        target_state.c.person_id.in_(person_ids),
    )
    return set(connection.execute(query).scalars())


# --- desired ---------------------------------------------------------------------------------------------------------

# Records that change and come back are new records, too: a person who was given up is tried again.
_SETTLED: Final = (
    "(target_state.state IN ('in_sync', 'pending') AND (target_state.applied = excluded.desired"
    " OR (target_state.applied IS NULL AND excluded.presence = 'if_present')))"
)
_DESIRE: Final = (
    "INSERT INTO target_state (target, person_id, desired, presence, priority, change_token, state, next_attempt_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, person_id) DO UPDATE SET"
    " desired = excluded.desired, presence = excluded.presence, change_token = excluded.change_token,"
    " attempts = 0, delays = 0, error = '',"
    f" priority = CASE WHEN {_SETTLED} THEN 'bulk' WHEN target_state.priority = 'live' THEN 'live'"
    " ELSE excluded.priority END,"
    f" state = CASE WHEN {_SETTLED} THEN 'in_sync' WHEN target_state.state IN ('in_sync', 'pending') THEN 'pending'"
    " ELSE 'in_doubt' END,"
    f" next_attempt_at = CASE WHEN {_SETTLED} THEN NULL ELSE ? END"
    " WHERE target_state.desired <> excluded.desired OR target_state.presence <> excluded.presence"
)


def set_desired(
    connection: Connection, target: str, desires: Iterable[Desired], now: datetime, *, was_read: bool = True
) -> None:
    """Store what is desired; what was applied stays.

    Shape:   was_read: the target was read whole before, so of a new person nothing is there
    Effect:  work where desired changes to something that is not applied; a repeat changes nothing
    """
    at = as_bound(connection, target_state.c.next_attempt_at, now)

    def row(one: Desired) -> tuple[Any, ...]:
        if not was_read:
            state = State.IN_DOUBT
        else:
            state = State.PENDING if one.presence is Presence.REQUIRED else State.IN_SYNC
        due_at = None if state is State.IN_SYNC else at
        token = secrets.token_hex(16)
        return (
            target,
            one.person_id,
            one.digest,
            one.presence.value,
            one.priority.value,
            token,
            state.value,
            due_at,
            at,
        )

    run_many(connection, _DESIRE, map(row, desires))


# --- writes ----------------------------------------------------------------------------------------------------------

_BEGIN: Final = "UPDATE target_state SET state = 'in_doubt', next_attempt_at = ? WHERE target = ? AND person_id = ?"
# A target that did not show an earlier write must show this one first: only a read clears those attempts.
_CONFIRM: Final = (
    "UPDATE target_state SET applied = ?, state = ?, next_attempt_at = ?, run_id = ?, applied_at = ?,"
    " priority = 'bulk', delays = 0, attempts = CASE WHEN error = ? THEN attempts ELSE 0 END,"
    " error = CASE WHEN error = ? THEN error ELSE '' END"
    " WHERE target = ? AND person_id = ? AND desired = ?"
)


def begin_writes(connection: Connection, target: str, person_ids: Iterable[str], until: datetime) -> None:
    """Store that people are about to be written.

    Effect:  they are in doubt from now on, and nobody else's work until `until`: the answer to a write may be lost
    """
    due_at = as_bound(connection, target_state.c.next_attempt_at, until)
    run_many(connection, _BEGIN, ((due_at, target, person_id) for person_id in person_ids))


def confirm_writes(
    connection: Connection,
    target: str,
    pairs: Iterable[tuple[str, str]],
    run_id: str,
    now: datetime,
    *,
    shown_by: datetime | None = None,
) -> None:
    """Store that a target took the entry of this digest, for each (person_id, digest) that is still desired.

    Shape:   shown_by: when a target that accepts writes and shows them later must show these
    """
    at, due_at = (as_bound(connection, target_state.c.next_attempt_at, each) for each in (now, shown_by))
    state = State.IN_SYNC if shown_by is None else State.ACCEPTED
    kept = (NOT_SHOWN, NOT_SHOWN, target)
    rows = ((digest, state.value, due_at, run_id, at, *kept, person_id, digest) for person_id, digest in pairs)
    run_many(connection, _CONFIRM, rows)


def mark_in_doubt(
    connection: Connection,
    target: str,
    person_ids: Iterable[str],
    now: datetime,
    priority: Priority | None = Priority.BULK,
) -> None:
    """Have a target read before anything is decided about these people; `priority` None keeps theirs."""
    at = as_bound(connection, target_state.c.next_attempt_at, now)
    sql: Final = (
        "UPDATE target_state SET state = 'in_doubt', next_attempt_at = ?, priority = COALESCE(?, priority)"
        " WHERE target = ? AND person_id = ?"
    )
    run_many(connection, sql, ((at, priority, target, person_id) for person_id in person_ids))


# --- reads -----------------------------------------------------------------------------------------------------------


def note_shown(connection: Connection, target: str, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Store that a read of the target showed the entry of this digest, for each (person_id, digest) still desired."""
    at = as_bound(connection, target_state.c.applied_at, now)
    sql: Final = (
        "UPDATE target_state SET applied = desired, state = 'in_sync', next_attempt_at = NULL, priority = 'bulk',"
        " attempts = 0, delays = 0, error = '', applied_at = COALESCE(applied_at, ?)"
        " WHERE target = ? AND person_id = ? AND desired = ?"
    )
    run_many(connection, sql, ((at, target, person_id, digest) for person_id, digest in pairs))


_ABSENT: Final = (
    "UPDATE target_state SET applied = NULL,"
    " state = CASE WHEN presence = 'required' THEN 'pending' ELSE 'in_sync' END,"
    " priority = CASE WHEN presence = 'required' THEN priority ELSE 'bulk' END,"
    " next_attempt_at = CASE WHEN presence = 'required' THEN COALESCE(next_attempt_at, ?) END"
    " WHERE target = ?"
)


def note_absent(connection: Connection, target: str, person_ids: Iterable[str], now: datetime) -> None:
    """Store that a read of the target showed nothing of these people."""
    at = as_bound(connection, target_state.c.next_attempt_at, now)
    run_many(connection, _ABSENT + " AND person_id = ?", ((at, target, person_id) for person_id in person_ids))


def note_all_absent(connection: Connection, target: str, now: datetime) -> None:
    """Store that a read of the whole target showed nothing of ours."""
    at = as_bound(connection, target_state.c.next_attempt_at, now)
    run_many(connection, _ABSENT + " AND state <> 'failed'", [(at, target)])


def clear_not_shown(connection: Connection, target: str, person_ids: Sequence[str]) -> None:
    """Store that a target shows what was written of these people: attempts for which it did not are forgotten."""
    for batch in chunked(person_ids, BATCH):
        here = (target_state.c.target == target) & target_state.c.person_id.in_(batch)
        connection.execute(
            update(target_state).where(here, target_state.c.error == NOT_SHOWN).values(attempts=0, error="")
        )


# --- failures --------------------------------------------------------------------------------------------------------

_AGAIN: Final = (
    "UPDATE target_state SET state = ?, attempts = ?, delays = ?, next_attempt_at = ?, error = ?,"
    " last_attempt_at = COALESCE(?, last_attempt_at) WHERE target = ? AND person_id = ? AND change_token = ?"
)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A person whom a target refused too often, and what it said last."""

    target: str
    person_id: str
    attempts: int
    error: str


def count_attempts(
    connection: Connection, target: str, errors: Iterable[tuple[str, str]], now: datetime, patience: Patience
) -> list[str]:
    """Count a failed attempt for each (person_id, error), and return the people who are given up with it."""
    by_person = dict(errors)
    known = states_among(connection, target, sorted(by_person), alone=True)
    given_up: list[str] = []
    rows: list[tuple[Any, ...]] = []
    for person_id, one in known.items():
        wait = patience.after_attempts(one.attempts + 1)
        given_up += [person_id] if wait is None else []
        state = State.FAILED if wait is None else State.IN_DOUBT
        due_at = None if wait is None else as_bound(connection, target_state.c.next_attempt_at, now + wait)
        error, at = by_person[person_id][:200], as_bound(connection, target_state.c.next_attempt_at, now)
        rows.append((state.value, one.attempts + 1, one.delays, due_at, error, at, target, person_id, one.change_token))
    run_many(connection, _AGAIN, rows)
    return given_up


def delay(
    connection: Connection,
    target: str,
    person_ids: Iterable[str],
    error: str,
    now: datetime,
    patience: Patience,
    *,
    was_tried: bool = False,
) -> None:
    """Try these people later in a target, if anything must be written there; they are not to blame.

    Shape:   was_tried: the target was asked about each of them, and answered
    """
    at = as_bound(connection, target_state.c.last_attempt_at, now if was_tried else None)
    known = states_among(connection, target, sorted(person_ids), alone=True)
    rows = (
        (
            one.state.value,
            one.attempts,
            one.delays + 1,
            as_bound(connection, target_state.c.next_attempt_at, now + patience.after_delays(one.delays + 1)),
            error[:200],
            at,
            target,
            person_id,
            one.change_token,
        )
        for person_id, one in known.items()
        if one.next_attempt_at is not None
    )
    run_many(connection, _AGAIN, rows)


def took_others_since(connection: Connection, target: str, at: datetime | None) -> bool:
    """Return whether a target took anybody since then; None: never asked, so nobody knows."""
    if at is None:
        return False
    later = select(target_state.c.person_id).where(target_state.c.target == target, target_state.c.applied_at > at)
    return connection.execute(later.limit(1)).first() is not None


def given_up(connection: Connection, limit: int = BATCH) -> list[GivenUp]:
    """Return people whom targets refused too often."""
    columns = [target_state.c[name] for name in GivenUp.__dataclass_fields__]
    query = select(*columns).where(_IS_FAILED).order_by(target_state.c.target, target_state.c.person_id)
    return [GivenUp(*row) for row in connection.execute(query.limit(limit))]


def count_given_up(connection: Connection) -> dict[str, int]:
    """Return by target how many people it refused too often."""
    query = select(target_state.c.target, func.count()).where(_IS_FAILED).group_by(target_state.c.target)
    return {row[0]: row[1] for row in connection.execute(query)}


def retry(connection: Connection, now: datetime, person_ids: Sequence[str] | None = None) -> list[str]:
    """Start again with people who were given up, these or all, and return who they are."""
    query = update(target_state).where(_IS_FAILED)
    if person_ids is not None:
        query = query.where(target_state.c.person_id.in_(person_ids))
    again = query.values(state=State.IN_DOUBT, attempts=0, delays=0, next_attempt_at=now, priority=Priority.BULK)
    return sorted(set(connection.execute(again.returning(target_state.c.person_id)).scalars()))


_IS_FAILED = target_state.c.state == State.FAILED.value


# --- the work list ---------------------------------------------------------------------------------------------------

_HAS_WORK = target_state.c.next_attempt_at.is_not(None)


def count_states(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return by target how many people it has as far as we know, and of how many something must be written."""
    counts = (func.count(target_state.c.applied), func.count(target_state.c.next_attempt_at))
    query = select(target_state.c.target, *counts).group_by(target_state.c.target)
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def has_work(connection: Connection) -> bool:
    """Return whether anything must be written anywhere."""
    return connection.execute(select(target_state.c.person_id).where(_HAS_WORK).limit(1)).first() is not None


def was_filled(connection: Connection, target: str) -> bool:
    """Return whether a target ever had an entry of ours, as far as we know."""
    had = or_(target_state.c.applied.is_not(None), target_state.c.applied_at.is_not(None))
    found = select(target_state.c.person_id).where(target_state.c.target == target, had).limit(1)
    return connection.execute(found).one_or_none() is not None


def work_after(connection: Connection, target: str, after: str, limit: int) -> list[str]:
    """Return people of whom something must be written in a target, sorted, behind a person_id."""
    mine = (target_state.c.target == target) & (target_state.c.person_id > after)
    query = select(target_state.c.person_id).where(mine, _HAS_WORK).order_by(target_state.c.person_id).limit(limit)
    return list(connection.execute(query).scalars())


def due_work(
    connection: Connection, targets: Sequence[str], priority: Priority, now: datetime, limit: int
) -> list[str]:
    """Return people of whom something must be written in one of these targets now, the longest waiting first."""
    due = select(target_state.c.person_id, func.min(target_state.c.next_attempt_at).label("at")).where(
        target_state.c.priority == priority.value,
        target_state.c.next_attempt_at <= now,
        target_state.c.target.in_(targets),
    )
    ordered = due.group_by(target_state.c.person_id).order_by("at", target_state.c.person_id)
    return list(connection.execute(ordered.limit(limit)).scalars())


def make_live(connection: Connection, target: str, person_ids: Iterable[str], now: datetime) -> None:
    """Have what must be written of these people written at once: they acted, or somebody locked or unlocked them."""
    at = as_bound(connection, target_state.c.next_attempt_at, now)
    sql: Final = (
        "UPDATE target_state SET priority = 'live', next_attempt_at = ?"
        " WHERE target = ? AND person_id = ? AND next_attempt_at IS NOT NULL"
    )
    run_many(connection, sql, ((at, target, person_id) for person_id in person_ids))


def make_bulk(connection: Connection, target: str, person_id: str, now: datetime) -> None:
    """Leave a person's work in a target to a guarded run."""
    connection.execute(
        update(target_state)
        .where(target_state.c.target == target, target_state.c.person_id == person_id, _HAS_WORK)
        .values(priority=Priority.BULK, next_attempt_at=now)
    )


def compared_rules(connection: Connection) -> dict[str, str]:
    """Return by target the fingerprint of the rules by which it was last compared whole."""
    return {row[0]: row[1] for row in connection.execute(select(target_rules.c.target, target_rules.c.fingerprint))}


def note_rules(connection: Connection, fingerprints: Mapping[str, str], at: datetime) -> None:
    """Store by which rules targets were compared whole."""
    bound = as_bound(connection, target_rules.c.compared_at, at)
    run_many(
        connection,
        "INSERT INTO target_rules (target, fingerprint, compared_at) VALUES (?, ?, ?) ON CONFLICT (target) DO UPDATE"
        " SET fingerprint = excluded.fingerprint, compared_at = excluded.compared_at",
        ((target, value, bound) for target, value in fingerprints.items()),
    )


# --- the targets' own keys of entries ------------------------------------------------------------------------------


def remote_ids_among(connection: Connection, target: str, person_ids: Sequence[str]) -> dict[str, str | None]:
    """Return by person under which key a target knows those of some people who have a state there; None: not known."""
    found: dict[str, str | None] = {}
    for batch in chunked(person_ids, BATCH):
        rows = connection.execute(
            select(target_state.c.person_id, target_state.c.remote_id).where(
                target_state.c.target == target, target_state.c.person_id.in_(batch)
            )
        )
        found.update((row.person_id, row.remote_id) for row in rows)
    return found


def people_of_remote_ids(connection: Connection, target: str, remote_ids: Sequence[str]) -> dict[str, str]:
    """Return person_id by the key of a target, for those of some keys that are known."""
    found: dict[str, str] = {}
    for batch in chunked(remote_ids, BATCH):
        rows = connection.execute(
            select(target_state.c.remote_id, target_state.c.person_id).where(
                target_state.c.target == target, target_state.c.remote_id.in_(batch)
            )
        )
        found.update((row.remote_id, row.person_id) for row in rows)
    return found


def without_remote_id(connection: Connection, target: str) -> list[str]:
    """Return people whom a target has as far as we know, and whose key there we never learnt."""
    return list(
        connection.execute(
            select(target_state.c.person_id).where(
                target_state.c.target == target,
                target_state.c.applied.is_not(None),
                target_state.c.remote_id.is_(None),
            )
        ).scalars()
    )


def keep_remote_ids(connection: Connection, target: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Keep (person_id, key) of people who have a state."""
    rows = [{"of": person_id, "key": remote_id} for person_id, remote_id in pairs]
    if rows:
        connection.execute(
            update(target_state)
            .where(target_state.c.target == target, target_state.c.person_id == bindparam("of"))
            .values(remote_id=bindparam("key")),
            rows,
        )


def forget_remote_ids(connection: Connection, target: str, remote_ids: Sequence[str]) -> None:
    """Forget keys that a target uses no more."""
    for batch in chunked(remote_ids, BATCH):
        connection.execute(
            update(target_state)
            .where(target_state.c.target == target, target_state.c.remote_id.in_(batch))
            .values(remote_id=None)
        )


# --- what a target has, for one comparison --------------------------------------------------------------------------


class Observed:
    """Digests of what one target has, in a temporary table: memory does not grow with the university.

    Lives and dies with its connection, which must be one for reading.
    """

    def __init__(self, connection: Connection, target: str) -> None:
        self._connection = connection
        self.target = target
        connection.execute(text("DROP TABLE IF EXISTS observed"))
        connection.execute(text("CREATE TEMPORARY TABLE observed (person_id VARCHAR(32), digest VARCHAR(32))"))

    def add(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Keep (person_id, digest) of many, and return how many they were."""
        count = 0
        for batch in chunked(pairs, BATCH):
            run_many(self._connection, "INSERT INTO observed VALUES (?, ?)", batch)
            count += len(batch)
        self._connection.execute(text("CREATE INDEX ix_observed ON observed (person_id)"))
        return count

    def twice(self) -> list[str]:
        """Return people of whom the target has more than one entry."""
        return list(
            self._connection.execute(
                text("SELECT person_id FROM observed GROUP BY person_id HAVING COUNT(*) > 1 ORDER BY person_id")
            ).scalars()
        )

    def differing(self) -> Iterator[tuple[str, bool]]:
        """Yield (person_id, whether the target has an entry) of everybody in whom target and desire differ, sorted."""
        return self._stream(
            "SELECT s.person_id, o.person_id IS NOT NULL AS is_there FROM target_state s"
            " LEFT JOIN observed o ON o.person_id = s.person_id WHERE s.target = :target"
            " AND ((o.person_id IS NULL AND s.presence = 'required') OR o.digest <> s.desired)"
            " AND s.state <> 'failed'"
            " UNION SELECT o.person_id, o.person_id IS NOT NULL FROM observed o"
            " LEFT JOIN target_state s ON s.target = :target AND s.person_id = o.person_id"
            " WHERE s.person_id IS NULL ORDER BY 1"
        )

    def true_unknowingly(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) where the target is as desired and our records do not say so."""
        return self._stream(
            "SELECT s.person_id, s.desired FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest = s.desired WHERE s.target = :target AND s.state <> 'in_sync'"
        )

    def false_unknowingly(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) where our records say that the target is as desired, and it is not."""
        return self._stream(
            "SELECT s.person_id, o.digest FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest <> s.desired WHERE s.target = :target AND s.state = 'in_sync'"
        )

    def gone(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) of entries that our records say are there, and the target does not have."""
        return self._stream(
            "SELECT s.person_id, s.applied FROM target_state s LEFT JOIN observed o ON o.person_id = s.person_id"
            " WHERE s.target = :target AND (s.applied IS NOT NULL OR s.state IN ('in_doubt', 'accepted'))"
            " AND o.person_id IS NULL AND s.state <> 'failed'"
        )

    def strangers(self) -> list[str]:
        """Return people of whom the target has an entry, and our records know nothing."""
        query = (
            "SELECT o.person_id FROM observed o LEFT JOIN target_state s ON s.target = :target"
            " AND s.person_id = o.person_id WHERE s.person_id IS NULL ORDER BY o.person_id"
        )
        return list(self._connection.execute(text(query), {"target": self.target}).scalars())

    def otherwise_than(self, run_id: str) -> Iterator[tuple[int, str]]:
        """Yield (number, person_id) of changes that a run made and that the target does not show, in order."""
        return self._stream(
            "SELECT c.number, c.person_id FROM change c LEFT JOIN observed o ON o.person_id = c.person_id"
            " JOIN target_state s ON s.target = c.target AND s.person_id = c.person_id AND s.state <> 'accepted'"
            " WHERE c.run_id = :run_id AND c.target = :target AND c.state = 'done'"
            " AND (CASE WHEN o.digest IS NULL THEN c.desired IS NOT NULL"
            " ELSE c.desired IS NULL OR c.desired <> o.digest END) ORDER BY c.number",
            run_id=run_id,
        )

    def _stream(self, query: str, **values: str) -> Iterator[tuple[Any, Any]]:
        options = {"yield_per": BATCH}
        given = {"target": self.target, **values}
        with self._connection.execute(text(query), given, execution_options=options) as rows:
            for row in rows:
                yield row[0], row[1]
