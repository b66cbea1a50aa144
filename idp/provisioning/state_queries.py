"""What each target should have of each person, what was applied there, and what must be written: the work list."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from more_itertools import chunked
from sqlalchemy import Connection, delete, func, insert, or_, select, text, update

from idp.db.bulk import BATCH, among, as_bound, rows_among, run_many
from idp.people.values import Priority
from idp.provisioning.tables import target_cursor, target_rules, target_state
from idp.provisioning.target_states import NOT_SHOWN, Patience, Presence, State


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

    def is_due(self, now: datetime) -> bool:
        """Return whether something must be written now."""
        return self.next_attempt_at is not None and self.next_attempt_at <= now


_COLUMNS = tuple(target_state.c[name] for name in TargetState.__dataclass_fields__)


def states_among(
    connection: Connection, target: str, person_ids: Iterable[str], *, alone: bool = False
) -> dict[str, TargetState]:
    """Return the states of those of some people who have one; `alone`: nobody else writes them in this transaction."""
    query = select(target_state.c.person_id, *_COLUMNS).where(target_state.c.target == target)
    if alone:  # every transaction locks rows in this order, so that two never wait for each other
        query, person_ids = query.order_by(target_state.c.person_id).with_for_update(), sorted(person_ids)
    rows = rows_among(connection, query, target_state.c.person_id, person_ids)
    return {
        row[0]: TargetState(State(row[1]), row[2], row[3], Presence(row[4]), Priority(row[5]), *row[6:]) for row in rows
    }


def desired_among(
    connection: Connection, targets: Collection[str], person_ids: Iterable[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return digest and presence of what is desired of some people, by target and person."""
    columns = (target_state.c[name] for name in ("target", "person_id", "desired", "presence"))
    query = select(*columns).where(target_state.c.target.in_(targets))
    rows = rows_among(connection, query, target_state.c.person_id, person_ids)
    return {(target, person_id): (digest, presence) for target, person_id, digest, presence in rows}


def accepted_among(connection: Connection, target: str, person_ids: Iterable[str]) -> dict[str, datetime]:
    """Return of those people whose last write a target took and did not show yet by when it must show it."""
    accepted = (target_state.c.target == target) & (target_state.c.state == State.ACCEPTED)
    query = select(target_state.c.person_id, target_state.c.next_attempt_at).where(accepted)
    return {row[0]: row[1] for row in rows_among(connection, query, target_state.c.person_id, person_ids)}


def _update(
    connection: Connection,
    target: str,
    people: Iterable[tuple[str, ...]],
    change: LiteralString,
    *values: Any,
    only: LiteralString = "",
) -> None:
    """Change the states of people in a target, sorted by person_id as `states_among` locks them.

    Shape:   people: (person_id, and the values of `only`); values: of `change`
    """
    column = target_state.c.applied_at
    bound = [as_bound(connection, column, each) if isinstance(each, datetime) else each for each in values]
    sql = f"UPDATE target_state SET {change} WHERE target = ? AND person_id = ?{only}"
    run_many(connection, sql, ((*bound, target, *person) for person in sorted(people)))


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
    states = {Presence.REQUIRED: (State.PENDING, at), Presence.IF_PRESENT: (State.IN_SYNC, None)}
    rows = (
        (target, one.person_id, one.digest, one.presence, one.priority, secrets.token_hex(16), *state, at)
        for one in desires
        for state in [states[one.presence] if was_read else (State.IN_DOUBT, at)]
    )
    run_many(connection, _DESIRE, rows)


# --- writes ----------------------------------------------------------------------------------------------------------


def begin_writes(connection: Connection, target: str, person_ids: Iterable[str], until: datetime) -> None:
    """Store that people are about to be written.

    Effect:  they are in doubt from now on, and nobody else's work until `until`: the answer to a write may be lost
    """
    _update(connection, target, zip(person_ids), "state = 'in_doubt', next_attempt_at = ?", until)


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
    # A target that did not show an earlier write must show this one first: only a read clears those attempts.
    change: Final = (
        "applied = desired, state = ?, next_attempt_at = ?, run_id = ?, applied_at = ?, priority = 'bulk', delays = 0,"
        " attempts = CASE WHEN error = ? THEN attempts ELSE 0 END, error = CASE WHEN error = ? THEN error ELSE '' END"
    )
    state = State.IN_SYNC if shown_by is None else State.ACCEPTED
    values = (state, shown_by, run_id, now, NOT_SHOWN, NOT_SHOWN)
    _update(connection, target, pairs, change, *values, only=" AND desired = ?")


def mark_in_doubt(
    connection: Connection,
    target: str,
    person_ids: Iterable[str],
    now: datetime,
    priority: Priority = Priority.BULK,
) -> None:
    """Have a target read before anything is decided about these people."""
    change: Final = "state = 'in_doubt', next_attempt_at = ?, priority = ?"
    _update(connection, target, zip(person_ids), change, now, priority)


# --- reads -----------------------------------------------------------------------------------------------------------


def note_shown(connection: Connection, target: str, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Store that a read of the target showed the entry of this digest, for each (person_id, digest) still desired."""
    change: Final = (
        "applied = desired, state = 'in_sync', next_attempt_at = NULL, priority = 'bulk', attempts = 0, delays = 0,"
        " error = '', applied_at = COALESCE(applied_at, ?)"
    )
    _update(connection, target, pairs, change, now, only=" AND desired = ?")


_ABSENT: Final = (
    "applied = NULL,"
    " state = CASE WHEN presence = 'required' THEN 'pending' ELSE 'in_sync' END,"
    " priority = CASE WHEN presence = 'required' THEN priority ELSE 'bulk' END,"
    " attempts = CASE WHEN presence = 'required' THEN attempts ELSE 0 END,"
    " delays = CASE WHEN presence = 'required' THEN delays ELSE 0 END,"
    " error = CASE WHEN presence = 'required' THEN error ELSE '' END,"
    " next_attempt_at = CASE WHEN presence = 'required' THEN COALESCE(next_attempt_at, ?) END"
)


def note_absent(connection: Connection, target: str, person_ids: Iterable[str], now: datetime) -> None:
    """Store that a read of the target showed nothing of these people.

    Effect:  work where something is required; else in sync, and attempts are cleared
    """
    _update(connection, target, zip(person_ids), _ABSENT, now)


def note_all_absent(connection: Connection, target: str, now: datetime) -> None:
    """Store that a read of the whole target showed nothing of ours."""
    at = as_bound(connection, target_state.c.next_attempt_at, now)
    run_many(connection, f"UPDATE target_state SET {_ABSENT} WHERE target = ? AND state <> 'failed'", [(at, target)])


def clear_not_shown(connection: Connection, target: str, person_ids: Iterable[str]) -> None:
    """Store that a target shows what was written of these people: attempts for which it did not are forgotten."""
    people = ((person_id, NOT_SHOWN) for person_id in person_ids)
    _update(connection, target, people, "attempts = 0, error = ''", only=" AND error = ?")


# --- failures --------------------------------------------------------------------------------------------------------


def count_attempts(
    connection: Connection, target: str, errors: Iterable[tuple[str, str]], now: datetime, patience: Patience
) -> list[str]:
    """Count a failed attempt for each (person_id, error), and return the people who are given up with it."""
    by_person = dict(errors)
    known = states_among(connection, target, sorted(by_person), alone=True)
    waits = {person_id: patience.after_attempts(one.attempts + 1) for person_id, one in known.items()}
    change: Final = "state = ?, next_attempt_at = ?, attempts = attempts + 1, error = ?, last_attempt_at = ?"
    for person_id, wait in waits.items():
        values = (State.FAILED, None) if wait is None else (State.IN_DOUBT, now + wait)
        _update(connection, target, [(person_id,)], change, *values, by_person[person_id][:200], now)
    return [person_id for person_id, wait in waits.items() if wait is None]


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
    by_delays: dict[int, list[tuple[str]]] = {}
    for person_id, one in states_among(connection, target, sorted(person_ids), alone=True).items():
        if one.next_attempt_at is not None:
            by_delays.setdefault(one.delays + 1, []).append((person_id,))
    change: Final = "delays = ?, next_attempt_at = ?, error = ?, last_attempt_at = COALESCE(?, last_attempt_at)"
    for delays, people in by_delays.items():
        due_at = now + patience.after_delays(delays)
        _update(connection, target, people, change, delays, due_at, error[:200], now if was_tried else None)


def took_others_since(connection: Connection, target: str, at: datetime | None) -> bool:
    """Return whether a target took anybody since then; None: never asked, so nobody knows."""
    if at is None:
        return False
    later = select(target_state.c.person_id).where(target_state.c.target == target, target_state.c.applied_at > at)
    return connection.execute(later.limit(1)).first() is not None


def count_given_up(connection: Connection) -> dict[str, int]:
    """Return by target how many people it refused too often."""
    query = select(target_state.c.target, func.count()).where(_IS_FAILED).group_by(target_state.c.target)
    return {row[0]: row[1] for row in connection.execute(query)}


def retry(connection: Connection, now: datetime, person_ids: Sequence[str] | None = None) -> list[str]:
    """Start again with people who were given up, these or all, and return who they are."""
    query = update(target_state).where(_IS_FAILED)
    if person_ids is not None:
        query = query.where(among(connection, target_state.c.person_id, person_ids))
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
    change: Final = "priority = 'live', next_attempt_at = ?"
    _update(connection, target, zip(person_ids), change, now, only=" AND next_attempt_at IS NOT NULL")


def make_bulk(connection: Connection, target: str, person_id: str, now: datetime) -> None:
    """Leave a person's work in a target to a guarded run."""
    change: Final = "priority = 'bulk', next_attempt_at = ?"
    _update(connection, target, [(person_id,)], change, now, only=" AND next_attempt_at IS NOT NULL")


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


# --- what targets told of changes in them: cursors and their own keys of entries -----------------------------------


def cursor_of(connection: Connection, target: str) -> str | None:
    """Return how far a target's changes were read; None: never."""
    query = select(target_cursor.c.cursor).where(target_cursor.c.target == target)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def keep_cursor(connection: Connection, target: str, cursor: str, at: datetime) -> None:
    """Keep how far a target's changes were read."""
    connection.execute(delete(target_cursor).where(target_cursor.c.target == target))
    connection.execute(insert(target_cursor).values(target=target, cursor=cursor, read_at=at))


def remote_ids_among(connection: Connection, target: str, person_ids: Iterable[str]) -> dict[str, str | None]:
    """Return by person under which key a target knows those of some people who have a state there; None: not known."""
    query = select(target_state.c.person_id, target_state.c.remote_id).where(target_state.c.target == target)
    return dict(rows_among(connection, query, target_state.c.person_id, person_ids))


def people_of_remote_ids(connection: Connection, target: str, remote_ids: Iterable[str]) -> dict[str, str]:
    """Return person_id by the key of a target, for those of some keys that are known."""
    query = select(target_state.c.remote_id, target_state.c.person_id).where(target_state.c.target == target)
    return dict(rows_among(connection, query, target_state.c.remote_id, remote_ids))


def without_remote_id(connection: Connection, target: str) -> list[str]:
    """Return people whom a target has as far as we know, and whose key there we never learnt."""
    is_unknown = target_state.c.applied.is_not(None) & target_state.c.remote_id.is_(None)
    query = select(target_state.c.person_id).where(target_state.c.target == target, is_unknown)
    return list(connection.execute(query).scalars())


def keep_remote_ids(connection: Connection, target: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Keep (person_id, key) of people who have a state."""
    sql: Final = "UPDATE target_state SET remote_id = ? WHERE target = ? AND person_id = ?"
    run_many(connection, sql, ((remote_id, target, person_id) for person_id, remote_id in pairs))


def forget_remote_ids(connection: Connection, target: str, remote_ids: Iterable[str]) -> None:
    """Forget keys that a target uses no more."""
    sql: Final = "UPDATE target_state SET remote_id = NULL WHERE target = ? AND remote_id = ?"
    run_many(connection, sql, ((target, remote_id) for remote_id in remote_ids))


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

    def doubled(self) -> list[str]:
        """Return people of whom the target has more than one entry."""
        query = "SELECT person_id FROM observed GROUP BY person_id HAVING COUNT(*) > 1 ORDER BY person_id"
        return [row[0] for row in self._stream(query)]

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

    def newly_shown(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) where the target is as desired and our records do not say so."""
        return self._stream(
            "SELECT s.person_id, s.desired FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest = s.desired WHERE s.target = :target AND s.state <> 'in_sync'"
        )

    def newly_different(self) -> Iterator[str]:
        """Yield people of whom our records say that the target is as desired, and it is not."""
        query = (
            "SELECT s.person_id FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest <> s.desired WHERE s.target = :target AND s.state = 'in_sync'"
        )
        return (row[0] for row in self._stream(query))

    def gone(self) -> Iterator[str]:
        """Yield people of whom our records say that an entry is there or may be, and the target has none."""
        query = (
            "SELECT s.person_id FROM target_state s LEFT JOIN observed o ON o.person_id = s.person_id"
            " WHERE s.target = :target AND (s.applied IS NOT NULL OR s.state IN ('in_doubt', 'accepted'))"
            " AND o.person_id IS NULL AND s.state <> 'failed'"
        )
        return (row[0] for row in self._stream(query))

    def orphans(self) -> list[str]:
        """Return people of whom the target has an entry, and our records know nothing."""
        query = (
            "SELECT o.person_id FROM observed o LEFT JOIN target_state s ON s.target = :target"
            " AND s.person_id = o.person_id WHERE s.person_id IS NULL ORDER BY o.person_id"
        )
        return [row[0] for row in self._stream(query)]

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

    def _stream(self, query: str, **values: str) -> Iterator[Any]:
        given = {"target": self.target, **values}
        with self._connection.execute(text(query), given, execution_options={"yield_per": BATCH}) as rows:
            yield from rows
