"""Who may do what: one table of roles and permissions. Application services check it first. Edges never decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from idp.errors import NotAllowed

SYSTEM_ID: Final = "system"


class Permission(StrEnum):
    """One verb that changes something. Each is required by the steps that do it; reading needs none yet."""

    RECORDS_IMPORT = "records.import"
    PEOPLE_MERGE = "people.merge"
    ACCOUNTS_LOCK = "accounts.lock"
    ACCOUNTS_UNLOCK = "accounts.unlock"
    SESSIONS_END = "sessions.end"
    RUNS_PLAN = "runs.plan"
    RUNS_APPLY = "runs.apply"
    RUNS_APPROVE = "runs.approve"
    RUNS_CONTROL = "runs.control"  # pause, resume, cancel, retry
    RUNS_UNDO = "runs.undo"
    RUNS_REMOVE = "runs.remove"  # plan to remove the entries of people closed for long
    DRIFT_MANAGE = "drift.manage"
    LETTERS_SEND = "letters.send"
    STAFF_MANAGE = "staff.manage"
    KEYS_ROTATE = "keys.rotate"


class Role(StrEnum):
    """A set of permissions. Staff have one of the first three roles. The others are not for people."""

    CLERK = "clerk"  # the Student Service Center: helps people
    OPERATOR = "operator"  # university IT: runs the service
    ADMINISTRATOR = "administrator"  # also manages staff and keys
    SHELL = "shell"  # whoever runs commands on the machine: everything except approvals, which need a sign-in
    SYSTEM = "system"  # the worker: what schedules need, within limits


STAFF_ROLES: Final = (Role.CLERK, Role.OPERATOR, Role.ADMINISTRATOR)

_CLERK = frozenset(
    {
        Permission.ACCOUNTS_LOCK,
        Permission.SESSIONS_END,
        Permission.LETTERS_SEND,
    }
)
_OPERATOR = frozenset(Permission) - {Permission.STAFF_MANAGE, Permission.KEYS_ROTATE}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.CLERK: _CLERK,
    Role.OPERATOR: _OPERATOR,
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.SHELL: frozenset(Permission) - {Permission.RUNS_APPROVE},
    Role.SYSTEM: frozenset(
        {
            Permission.RECORDS_IMPORT,
            Permission.RUNS_PLAN,
            Permission.RUNS_APPLY,
            Permission.DRIFT_MANAGE,
            Permission.LETTERS_SEND,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as what, and how they proved it.

    Shape:   Actor("0a1b…", Role.OPERATOR, "Ewa Nowak", ("password",), "shell:ewa"); Actor("shell:ewa", Role.SHELL)
    """

    actor_id: str  # account_id, "shell:<login name>" or "system"; stands in events
    role: Role | None  # None: nothing is allowed
    name: str = ""
    factors: tuple[str, ...] = ()
    terminal: str = ""  # the shell user at whose terminal a staff member signed in

    def may(self, permission: Permission) -> bool:
        """Tell whether the actor's role has a permission."""
        return self.role is not None and permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        """Return if the actor may.

        Raises:  NotAllowed, which says who could
        """
        if not self.may(permission):
            who = f"{self.name or self.actor_id} has {f'the role {self.role}' if self.role else 'no role'}"
            able = " and ".join(f"{role}s" for role in STAFF_ROLES if permission in PERMISSIONS[role])
            raise NotAllowed(f"{who}; only {able} may do this ({permission})")


SYSTEM: Final = Actor(SYSTEM_ID, Role.SYSTEM)


def permission_table() -> str:
    """Return the table for the reference page: a line per permission, a column per role."""
    roles = list(Role)
    lines = [f"| permission | {' | '.join(roles)} |", "| --- " * (len(roles) + 1) + "|"]
    for permission in Permission:
        marks = ["yes" if permission in PERMISSIONS[role] else "" for role in roles]
        lines.append(f"| `{permission}` | {' | '.join(marks)} |")
    return "\n".join(lines)
