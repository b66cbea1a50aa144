"""How targets are doing: whether one is left alone for a while, and how fast it may be written."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text

from idp.provisioning.tables import target_health

_FAIL = text(
    "INSERT INTO target_health (target, failures, since, open_until, error)"
    " VALUES (:target, 1, :now, :until, :error) ON CONFLICT (target) DO UPDATE SET"
    " failures = target_health.failures + 1, open_until = excluded.open_until, error = excluded.error"
)
# One statement, so that workers who ask at the same moment are granted one after the other.
_GRANT = (
    "INSERT INTO target_pace (target, free_at) VALUES (:target, {now} + :cost) ON CONFLICT (target) DO UPDATE SET"
    " free_at = CASE WHEN target_pace.free_at > {now} THEN target_pace.free_at ELSE {now} END + :cost"
    " RETURNING free_at - :cost - {now}"
)
# The database's clock where several machines ask: theirs may differ.
_GRANT_ON_POSTGRESQL = text(_GRANT.format(now="EXTRACT(EPOCH FROM clock_timestamp())"))
_GRANT_HERE = text(_GRANT.format(now=":now"))


@dataclass(frozen=True, slots=True)
class Health:
    """A target that failed lately."""

    target: str
    failures: int
    since: float
    open_until: float
    error: str


def health_of(connection: Connection, target: str) -> Health | None:
    """Return how a target is doing; None: well."""
    row = connection.execute(select(target_health).where(target_health.c.target == target)).one_or_none()
    return None if row is None else Health(**row._mapping)


def failing(connection: Connection) -> dict[str, Health]:
    """Return the targets that are not well."""
    return {row.target: Health(**row._mapping) for row in connection.execute(select(target_health))}


def note_failure(connection: Connection, target: str, now: float, open_until: float, error: str) -> None:
    """Count a failure and leave the target alone until then."""
    values = {"target": target, "now": now, "until": open_until, "error": error[:200]}
    connection.execute(_FAIL, values)


def note_recovery(connection: Connection, target: str) -> bool:
    """Forget a target's failures; False when it had none."""
    return connection.execute(delete(target_health).where(target_health.c.target == target)).rowcount == 1


def grant(connection: Connection, target: str, now: float, cost_s: float) -> float:
    """Return in how many seconds a writer may begin with writes that take `cost_s` at the target's pace.

    Effect:  nobody else is granted that time
    """
    values = {"target": target, "now": now, "cost": cost_s}
    statement = _GRANT_HERE if connection.dialect.name == "sqlite" else _GRANT_ON_POSTGRESQL
    return max(0.0, float(connection.execute(statement, values).scalar_one()))
