"""What is desired of each target and what was applied there, and whose records changed since."""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
    update,
)

from idp.db.bulk import as_bound, run_many
from idp.provisioning.tables import rules_seen, target_state

BATCH = 1000  # rows per statement: below every driver's limit of bound values
IN_DOUBT: Final = ""  # an `applied` that equals no digest: whatever is desired, somebody has to look


# --- desired and applied --------------------------------------------------------------------------------------------

_DESIRE: Final = (
    "INSERT INTO target_state (target, person_id, desired, only_if_present, run_id)"
    " VALUES (?, ?, ?, ?, '') ON CONFLICT (target, person_id) DO UPDATE SET"
    " tries = CASE WHEN target_state.desired = excluded.desired THEN target_state.tries ELSE 0 END,"
    # Records that change and come back are other records, too: a door that was refused long ago is tried again.
    " quarantined = CASE WHEN target_state.desired = excluded.desired THEN target_state.quarantined END,"
    " desired = excluded.desired, only_if_present = excluded.only_if_present"
)
NOT_SHOWN: Final = "found otherwise after it was written"  # the error of whom a target took and does not show
_CONFIRM: Final = (
    "UPDATE target_state SET applied = desired, run_id = ?, applied_at = ?, quarantined = NULL,"
    " tries = CASE WHEN error = ? THEN tries ELSE 0 END, error = CASE WHEN error = ? THEN error ELSE '' END"
    " WHERE target = ? AND person_id = ? AND desired = ?"
)


@dataclass(frozen=True, slots=True)
class Desire:
    """The digest of what one target should have of one person."""

    person_id: str
    desired: str
    only_if_present: bool


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one person in one target."""

    desired: str
    applied: str | None
    only_if_present: bool
    quarantined: str | None = None

    @property
    def is_given_up(self) -> bool:
        """Whether the target refused this person so often that only other records, or a human, begin anew."""
        return self.quarantined == self.desired


def states_among(connection: Connection, target: str, person_ids: Sequence[str]) -> dict[str, State]:
    """Return the states of those of some people who have one."""
    found: dict[str, State] = {}
    columns = [target_state.c[name] for name in ("desired", "applied", "only_if_present", "quarantined")]
    for batch in _batches(person_ids):
        rows = connection.execute(
            select(target_state.c.person_id, *columns).where(
                target_state.c.target == target, target_state.c.person_id.in_(batch)
            )
        )
        found.update((row[0], State(*row[1:])) for row in rows)
    return found


def desire(connection: Connection, target: str, desires: Iterable[Desire]) -> None:
    """Keep what is desired; what was applied stays."""
    run_many(connection, _DESIRE, ((target, one.person_id, one.desired, one.only_if_present) for one in desires))


def confirm(
    connection: Connection,
    target: str,
    pairs: Iterable[tuple[str, str]],
    run_id: str,
    at: datetime,
    *,
    is_seen: bool = True,
) -> None:
    """Keep that the target has the entry of this digest, for each (person_id, digest).

    Shape:   is_seen: False where it was written, and not read
    Effect:  only where that is still desired: a writer who comes late must not hide newer work
    """
    bound = as_bound(connection, target_state.c.applied_at, at)
    kept = None if is_seen else NOT_SHOWN  # whom it did not show before, a target must show first
    rows = ((run_id, bound, kept, kept, target, person_id, digest) for person_id, digest in pairs if digest)
    run_many(connection, _CONFIRM, rows)


def doubt(connection: Connection, target: str, person_ids: Iterable[str]) -> None:
    """Keep that nobody knows what the target has of these people, so that they are work again."""
    _know(connection, target, person_ids, IN_DOUBT)


def absent(connection: Connection, target: str, person_ids: Iterable[str]) -> None:
    """Keep that the target has nothing of these people."""
    _know(connection, target, person_ids, None)


def _know(connection: Connection, target: str, person_ids: Iterable[str], applied: str | None) -> None:
    sql = "UPDATE target_state SET applied = ? WHERE target = ? AND person_id = ?"
    run_many(connection, sql, ((applied, target, person_id) for person_id in person_ids))


# --- whom a target refuses ------------------------------------------------------------------------------------------

_REFUSED: Final = (
    "UPDATE target_state SET tries = tries + 1, error = ?,"
    " quarantined = CASE WHEN tries + 1 >= ? THEN desired ELSE quarantined END"
    " WHERE target = ? AND person_id = ? AND (quarantined IS NULL OR quarantined <> desired)"
)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A person whom a target refused too often, and what it said last."""

    target: str
    person_id: str
    tries: int
    error: str


def refused(connection: Connection, target: str, errors: Iterable[tuple[str, str]], most: int) -> list[str]:
    """Count a try for each (person_id, error), and return whom we give up with it: after `most` in a row."""
    errors = list(errors)
    run_many(connection, _REFUSED, ((error[:200], most, target, person_id) for person_id, error in errors))
    states = states_among(connection, target, [person_id for person_id, _ in errors])
    return [person_id for person_id, state in states.items() if state.is_given_up]


def shown(connection: Connection, target: str, person_ids: Sequence[str]) -> None:
    """Keep that a target shows what was written of these people: tries for which it did not are forgotten."""
    for batch in _batches(person_ids):
        here = (target_state.c.target == target) & target_state.c.person_id.in_(batch)
        lost = update(target_state).where(here, target_state.c.error == NOT_SHOWN)
        connection.execute(lost.values(tries=0, error=""))


_IS_GIVEN_UP = target_state.c.quarantined == target_state.c.desired


def given_up(connection: Connection, limit: int = BATCH) -> list[GivenUp]:
    """Return whom targets refuse for good, the longest known first."""
    columns = [target_state.c[name] for name in GivenUp.__dataclass_fields__]
    query = select(*columns).where(_IS_GIVEN_UP).order_by(target_state.c.target, target_state.c.person_id)
    return [GivenUp(*row) for row in connection.execute(query.limit(limit))]


def count_given_up(connection: Connection) -> dict[str, int]:
    """Return by target how many people it refuses for good."""
    query = select(target_state.c.target, func.count()).where(_IS_GIVEN_UP).group_by(target_state.c.target)
    return {row[0]: row[1] for row in connection.execute(query)}


def let_go(connection: Connection, person_ids: Sequence[str] | None = None) -> list[str]:
    """Begin anew with people who were given up, these or all, and return who they are."""
    query = update(target_state).where(_IS_GIVEN_UP)
    if person_ids is not None:
        query = query.where(target_state.c.person_id.in_(person_ids))
    released = query.values(quarantined=None, tries=0).returning(target_state.c.person_id)
    return sorted(set(connection.execute(released).scalars()))


_IS_OPEN = and_(
    or_(
        target_state.c.applied != target_state.c.desired,
        target_state.c.applied.is_(None) & target_state.c.only_if_present.is_(False),
    ),
    or_(target_state.c.quarantined.is_(None), target_state.c.quarantined != target_state.c.desired),
)


def count_states(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return by target how many people it has as far as we know, and how many wait to be written."""
    rows = connection.execute(
        select(
            target_state.c.target,
            func.count(target_state.c.applied).label("held"),
            func.sum(case((_IS_OPEN, 1), else_=0)).label("waiting"),
        ).group_by(target_state.c.target)
    )
    return {row.target: (row.held, row.waiting) for row in rows}


def was_filled(connection: Connection, target: str) -> bool:
    """Return whether a target ever had an entry of ours, as far as we know: one that is seen to be gone counts, too."""
    had = or_(target_state.c.applied.is_not(None), target_state.c.applied_at.is_not(None))
    found = select(target_state.c.person_id).where(target_state.c.target == target, had).limit(1)
    return connection.execute(found).one_or_none() is not None


def open_after(connection: Connection, target: str, after: str, limit: int) -> list[str]:
    """Return people in whom a target is not as desired, as far as we know, sorted, behind a person_id."""
    mine = (target_state.c.target == target) & (target_state.c.person_id > after)
    query = select(target_state.c.person_id).where(mine, _IS_OPEN).order_by(target_state.c.person_id).limit(limit)
    return list(connection.execute(query).scalars())


def rules_noted(connection: Connection) -> dict[str, str]:
    """Return by target the fingerprint of the rules by which it was last compared whole."""
    return {row[0]: row[1] for row in connection.execute(select(rules_seen.c.target, rules_seen.c.fingerprint))}


def note_rules(connection: Connection, fingerprints: Mapping[str, str], at: datetime) -> None:
    """Keep by which rules targets were compared whole."""
    bound = as_bound(connection, rules_seen.c.seen_at, at)
    run_many(
        connection,
        "INSERT INTO rules_seen (target, fingerprint, seen_at) VALUES (?, ?, ?) ON CONFLICT (target) DO UPDATE SET"
        " fingerprint = excluded.fingerprint, seen_at = excluded.seen_at",
        ((target, value, bound) for target, value in fingerprints.items()),
    )


# --- the targets' own keys of entries ------------------------------------------------------------------------------


def remote_ids_among(connection: Connection, target: str, person_ids: Sequence[str]) -> dict[str, str | None]:
    """Return by person under which key a target knows those of some people who have a state there; None: not known."""
    found: dict[str, str | None] = {}
    for batch in _batches(person_ids):
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
    for batch in _batches(remote_ids):
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
    for batch in _batches(remote_ids):
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
        self._target = target
        connection.execute(text("DROP TABLE IF EXISTS observed"))
        connection.execute(text("CREATE TEMPORARY TABLE observed (person_id VARCHAR(32), digest VARCHAR(32))"))

    def add(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Keep (person_id, digest) of many, and return how many they were."""
        count = 0
        for batch in _batches_of(pairs):
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
            " AND ((o.person_id IS NULL AND NOT s.only_if_present) OR o.digest <> s.desired)"
            " AND (s.quarantined IS NULL OR s.quarantined <> s.desired)"
            " UNION SELECT o.person_id, o.person_id IS NOT NULL FROM observed o"
            " LEFT JOIN target_state s ON s.target = :target AND s.person_id = o.person_id"
            " WHERE s.person_id IS NULL ORDER BY 1"
        )

    def true_unknowingly(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) where the target is as desired and our records do not say so."""
        return self._stream(
            "SELECT s.person_id, s.desired FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest = s.desired WHERE s.target = :target AND (s.applied IS NULL OR s.applied <> s.desired)"
        )

    def false_unknowingly(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) where our records say that the target is as desired, and it is not."""
        return self._stream(
            "SELECT s.person_id, o.digest FROM target_state s JOIN observed o ON o.person_id = s.person_id"
            " AND o.digest <> s.desired WHERE s.target = :target AND s.applied = s.desired"
        )

    def gone(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) of entries that our records say are there, and the target does not have."""
        return self._stream(
            "SELECT s.person_id, s.applied FROM target_state s LEFT JOIN observed o ON o.person_id = s.person_id"
            " WHERE s.target = :target AND s.applied IS NOT NULL AND o.person_id IS NULL"
        )

    def strangers(self) -> list[str]:
        """Return people of whom the target has an entry, and our records know nothing."""
        query = (
            "SELECT o.person_id FROM observed o LEFT JOIN target_state s ON s.target = :target"
            " AND s.person_id = o.person_id WHERE s.person_id IS NULL ORDER BY o.person_id"
        )
        return list(self._connection.execute(text(query), {"target": self._target}).scalars())

    def otherwise_than(self, run_id: str) -> Iterator[tuple[int, str]]:
        """Yield (number, person_id) of changes that a run made and that the target does not show, in order."""
        return self._stream(
            "SELECT c.number, c.person_id FROM change c LEFT JOIN observed o ON o.person_id = c.person_id"
            " WHERE c.run_id = :run_id AND c.target = :target AND c.state = 'done'"
            " AND (CASE WHEN o.digest IS NULL THEN c.desired IS NOT NULL"
            " ELSE c.desired IS NULL OR c.desired <> o.digest END) ORDER BY c.number",
            run_id=run_id,
        )

    def _stream(self, query: str, **values: str) -> Iterator[tuple[Any, Any]]:
        options = {"yield_per": BATCH}
        given = {"target": self._target, **values}
        with self._connection.execute(text(query), given, execution_options=options) as rows:
            for row in rows:
                yield row[0], row[1]


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _batches_of(values: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    iterator = iter(values)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch


def _new_mark() -> str:
    return secrets.token_hex(16)
