"""Who may do what."""

from pathlib import Path

import pytest

from idp.errors import NotAllowed
from idp.permissions import PERMISSIONS, SYSTEM, Actor, Permission, Role, permission_table

PAGE = Path(__file__).parents[2] / "docs/reference/permissions.md"


def test_whoever_runs_commands_may_do_everything_but_approve() -> None:
    shell = Actor("shell:ewa", Role.SHELL)

    assert [permission for permission in Permission if not shell.may(permission)] == [Permission.RUNS_APPROVE]


def test_the_worker_neither_approves_nor_locks_nor_merges_nor_manages_staff() -> None:
    forbidden = {
        Permission.RUNS_APPROVE,
        Permission.ACCOUNTS_LOCK,
        Permission.ACCOUNTS_UNLOCK,
        Permission.PEOPLE_MERGE,
        Permission.STAFF_MANAGE,
    }

    assert not forbidden & PERMISSIONS[Role.SYSTEM]
    assert SYSTEM.may(Permission.RUNS_APPLY)


def test_a_refusal_names_the_role_that_one_has_and_those_that_may() -> None:
    with pytest.raises(NotAllowed, match="Ewa has the role clerk; only operators and administrators may"):
        Actor("a1", Role.CLERK, "Ewa").require(Permission.RUNS_APPROVE)


def test_nobody_in_particular_may_nothing() -> None:
    assert not any(Actor("a1", None).may(permission) for permission in Permission)


def test_only_administrators_decide_who_is_staff() -> None:
    able = {role for role in Role if Permission.STAFF_MANAGE in PERMISSIONS[role]}

    assert able == {Role.ADMINISTRATOR, Role.SHELL}


def test_the_reference_page_shows_the_table() -> None:
    assert permission_table() in PAGE.read_text(encoding="utf-8")
