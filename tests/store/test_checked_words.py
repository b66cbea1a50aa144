"""The migrated databases take exactly the words that the code knows."""

import re
from collections.abc import Iterable, Mapping

from sqlalchemy import MetaData, inspect

import idp.app.tables  # noqa: F401 - registers every table
from idp.applications.assurance import Assurance
from idp.db.databases import Database, Databases, identity_metadata, sessions_metadata
from idp.db.outbox import MessageState
from idp.jobs.lanes import Lane
from idp.jobs.tables import FiringState
from idp.people.status import Access
from idp.people.values import (
    AccountKind,
    AddressKind,
    IdentifierKind,
    LockOwner,
    MergeState,
    PairState,
    Priority,
    Source,
    Status,
)
from idp.permissions import STAFF_ROLES
from idp.provisioning.run import ChangeState, RunKind, Runner, RunState
from idp.provisioning.target_states import Presence, State
from idp.provisioning.values import Kind
from idp.registry.tables import ImportState
from idp.sso.throttle import Scope

IDENTITY: Mapping[str, Iterable[str]] = {
    "account.kind": AccountKind,
    "account.role": ("", *STAFF_ROLES),
    "account_lock.owner": LockOwner,
    "address.kind": AddressKind,
    "assigned_identifier.kind": IdentifierKind,
    "change.kind": Kind,
    "change.state": ChangeState,
    "duplicate.state": PairState,
    "enrolment.status": Status,
    "enrolment.status_before": Status,
    "import_run.state": ImportState,
    "limit_violation.kind": (*Kind, "lose_rights"),
    "outbox.state": MessageState,
    "override.policy": ("report", "adopt"),
    "person.access": Access,
    "person.sex": ("", "K", "M"),
    "person_change.priority": Priority,
    "person_merge.state": MergeState,
    "person_source.source": Source,
    "run.kind": RunKind,
    "run.runner": Runner,
    "run.state": RunState,
    "schedule_firing.state": FiringState,
    "target_state.presence": Presence,
    "target_state.priority": Priority,
    "target_state.state": State,
}
SESSIONS: Mapping[str, Iterable[str]] = {
    "failed_sign_in.scope": Scope,
    "outbox.state": MessageState,
    "session.assurance": Assurance,
    "ticket.kind": ("ST", "PT"),
    "worker.lane": Lane,
}


def test_the_databases_take_exactly_the_words_of_each_enumeration(databases: Databases) -> None:
    assert checked_words(databases.identity, identity_metadata) == _as_sets(IDENTITY)
    assert checked_words(databases.sessions, sessions_metadata) == _as_sets(SESSIONS)


def checked_words(database: Database, metadata: MetaData) -> dict[str, set[str]]:
    """Return, by column, the words that the database itself takes.

    A rule over words is named after its column; so is one rule between two columns, which has a `<>`.
    """
    with database.read() as connection:
        found = inspect(connection)
        return {
            f"{table.name}.{column.name}": set(re.findall("'([^']*)'", check["sqltext"]))
            for table in metadata.sorted_tables
            for check in found.get_check_constraints(table.name)
            for column in table.c
            if check["name"] == f"ck_{table.name}_{column.name}"
            if "'" in check["sqltext"] and "<>" not in check["sqltext"]
        }


def _as_sets(words: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    return {column: {str(word) for word in known} for column, known in words.items()}
