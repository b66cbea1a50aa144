"""Who approved which plan: a row per run and person."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from idp.db.bulk import insert_once
from idp.provisioning.tables import run_approval


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word for one plan."""

    run_id: str
    account_id: str
    digest: str
    name: str
    factors: str
    shell: str
    approved_at: datetime


def add_approval(connection: Connection, new: Approval) -> bool:
    """Write an approval; False when this person approved this run before."""
    return insert_once(connection, run_approval, {column.name: getattr(new, column.name) for column in run_approval.c})


def approvals_of(connection: Connection, run_id: str, digest: str) -> list[Approval]:
    """Return who approved exactly this plan, the first one first."""
    rows = connection.execute(
        select(run_approval)
        .where(run_approval.c.run_id == run_id, run_approval.c.digest == digest)
        .order_by(run_approval.c.approved_at, run_approval.c.account_id)
    )
    return [Approval(**row._mapping) for row in rows]
