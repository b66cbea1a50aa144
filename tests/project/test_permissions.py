"""Each permission is asked where its steps are, and each command that writes needs one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from idp.cli import COMMANDS, idp
from idp.permissions import Permission

CODE = Path(__file__).parents[2] / "idp"

STEPS: dict[Permission, set[str]] = {
    Permission.RECORDS_IMPORT: {
        "registry.duplicates.find_duplicates",
        "registry.imports.import_file",
        "registry.reviews.review_statuses",
    },
    Permission.PEOPLE_MERGE: {
        "provisioning.merging.make_merge",
        "provisioning.merging.make_unmerge",
        "registry.duplicates.dismiss_duplicate",
    },
    Permission.ACCOUNTS_LOCK: {"accounts.locks.lock_account"},
    Permission.ACCOUNTS_UNLOCK: {"accounts.locks.unlock_account"},
    Permission.RUNS_PLAN: {"provisioning.planning.make_plan"},
    Permission.RUNS_APPLY: {
        "jobs.schedules.Timetable.run_now",
        "provisioning.executor.apply_run",
        "provisioning.run_steps.request",
    },
    Permission.RUNS_APPROVE: {"provisioning.approval.approve"},
    Permission.RUNS_CONTROL: {
        "provisioning.run_steps.cancel",
        "provisioning.run_steps.pause",
        "provisioning.run_steps.resume",
        "provisioning.run_steps.retry",
    },
    Permission.RUNS_UNDO: {"provisioning.undo.drop_pins", "provisioning.undo.make_undo"},
    Permission.RUNS_REMOVE: {"provisioning.removal.make_removal_plan"},
    Permission.DRIFT_MANAGE: {
        "provisioning.drift.drop_overrides",
        "provisioning.drift.find_drift",
        "provisioning.drift.find_drift_everywhere",
    },
    Permission.STAFF_MANAGE: {
        "accounts.staff.StaffService.change_role",
        "accounts.staff.StaffService.disable",
        "accounts.staff.StaffService.enable",
        "accounts.staff.StaffService.invite",
        "accounts.staff.StaffService.withdraw",
    },
    Permission.SESSIONS_END: {"sso.sessions._require_own_or_permission"},
    Permission.LETTERS_SEND: {
        "letters.albums.queue_album_letters",
        "letters.outgoing.retry_letter",
        "letters.sending.send_due",
    },
    Permission.KEYS_ROTATE: {"keys.key_files.rotate_keys"},
}
"""The functions that require each permission, before they read or write anything."""

COMMANDS_THAT_WRITE: dict[str, Permission] = {
    "keys rotate": Permission.KEYS_ROTATE,
    "letters albums": Permission.LETTERS_SEND,
    "letters retry": Permission.LETTERS_SEND,
    "letters send": Permission.LETTERS_SEND,
    "people duplicates dismiss": Permission.PEOPLE_MERGE,
    "people duplicates list": Permission.RECORDS_IMPORT,  # with --find
    "registry import": Permission.RECORDS_IMPORT,
    "registry review": Permission.RECORDS_IMPORT,
    "sessions end": Permission.SESSIONS_END,
    "accounts lock": Permission.ACCOUNTS_LOCK,
    "accounts unlock": Permission.ACCOUNTS_UNLOCK,
    "apply": Permission.RUNS_APPLY,
    "drift": Permission.DRIFT_MANAGE,
    "drift drop": Permission.DRIFT_MANAGE,
    "people merge": Permission.PEOPLE_MERGE,
    "people unmerge": Permission.PEOPLE_MERGE,
    "plan": Permission.RUNS_PLAN,
    "runs approve": Permission.RUNS_APPROVE,
    "runs cancel": Permission.RUNS_CONTROL,
    "runs pause": Permission.RUNS_CONTROL,
    "runs resume": Permission.RUNS_CONTROL,
    "runs retry": Permission.RUNS_CONTROL,
    "schedules run": Permission.RUNS_APPLY,
    "staff disable": Permission.STAFF_MANAGE,
    "staff enable": Permission.STAFF_MANAGE,
    "staff invite": Permission.STAFF_MANAGE,
    "staff role": Permission.STAFF_MANAGE,
    "staff withdraw": Permission.STAFF_MANAGE,
    "undo": Permission.RUNS_UNDO,
}
"""The permission that a command that writes needs. `idp plan --removals` needs runs.remove."""

READING = {
    "accounts locked",
    "addresses preview",
    "applications explain",
    "applications lint",
    "applications list",
    "audit",
    "audit head",
    "audit verify",
    "completion",
    "config check",
    "config example",
    "explain person",
    "export ldif",
    "keys list",
    "letters list",
    "people duplicates show",
    "people find",
    "registry quarantine",
    "registry sample",
    "runs export",
    "runs list",
    "runs show",
    "schedules list",
    "sessions list",
    "staff list",
    "status",
}
"""Commands that write nothing in the databases."""

OF_THE_MACHINE = {"serve", "setup", "worker"}
"""Commands that start or prepare the service itself: they act as the system."""


def test_every_permission_is_required_by_the_steps_of_the_table() -> None:
    found: dict[str, set[str]] = {}
    for file in sorted(CODE.rglob("*.py")):
        module = ".".join(file.relative_to(CODE).with_suffix("").parts)
        for function, permission in _required(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(permission, set()).add(f"{module}.{function}")

    assert found == {permission.name: steps for permission, steps in STEPS.items()}


def test_no_permission_is_named_that_nothing_requires() -> None:
    assert STEPS.keys() == set(Permission)


def test_every_command_that_writes_has_a_permission() -> None:
    commands = {name for name in _commands(idp, "") if not name.startswith("fees ")}

    listed = COMMANDS_THAT_WRITE.keys() | READING | OF_THE_MACHINE
    assert commands == listed
    assert {*COMMANDS_THAT_WRITE.values(), Permission.RUNS_REMOVE} == STEPS.keys()


def _required(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (function, permission) of each `….require(Permission.X)`; a method is Class.method."""
    for owner, function in _functions(tree, ""):
        for node in ast.walk(function):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="require"),
                    args=[ast.Attribute(value=ast.Name(id="Permission"), attr=permission)],
                ):
                    yield f"{owner}{function.name}", permission


def _functions(tree: ast.AST, owner: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield owner, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{owner}{node.name}.")


def _commands(group: click.Group, prefix: str) -> Iterator[str]:
    context = click.Context(group)
    for name in sorted(COMMANDS) if group is idp else group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{prefix}{name}"
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix}{name} ")
