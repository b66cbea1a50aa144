"""Count failed attempts of people in targets, and tell whom we give up."""

from collections.abc import Iterable

from sqlalchemy import Connection

from idp.audit import event_types
from idp.audit.events import Event, record_all
from idp.provisioning import state_queries
from idp.provisioning.provisioner import Provisioner


def count_attempts_and_tell(
    provisioner: Provisioner,
    connection: Connection,
    kind: str,
    errors: Iterable[tuple[str, str]],
    actor: str,
    run_id: str = "",
) -> list[str]:
    """Count a failed attempt for each (person_id, error), and return the people who are given up with it.

    Shape:   kind: of target; run_id: the run that tried it, if any
    Effect:  target.gave_up for each of them
    """
    now = provisioner.clock.now()
    given_up = state_queries.count_attempts(connection, kind, errors, now, provisioner.settings.patience)
    data = {"run": run_id, "target": kind}
    events = (Event(event_types.TARGET_GAVE_UP, person_id, actor, data=data) for person_id in given_up)
    record_all(connection, now.timestamp(), events)
    return given_up
