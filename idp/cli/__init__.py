"""The `idp` command: one file per group of commands, imported only when it is used, so that commands start fast."""

import importlib
import sys

import click

from idp.cli.output import show_only_visible
from idp.cli.suggestions import no_such_command
from idp.errors import IdpError

# command -> (module, attribute, help): `idp --help` imports no command, so the first sentence of each help is here too.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "accounts": ("idp.cli.accounts", "accounts", "Lock and unlock accounts."),
    "addresses": ("idp.cli.addresses", "addresses", "Preview the mail names of an intake."),
    "applications": ("idp.cli.applications", "applications", "List, check and explain the registered applications."),
    "apply": ("idp.cli.provisioning", "apply", "Write a plan to the targets: RUN, or a plan made now."),
    "audit": ("idp.cli.audit", "audit", "List the newest events: who, what, when, why."),
    "completion": ("idp.cli.completion", "completion", "Print the completion script of a shell."),
    "config": ("idp.cli.config", "config", "Check the settings, or print an example file."),
    "drift": ("idp.cli.drift", "drift", "Find changes that others made in the targets."),
    "explain": ("idp.cli.explain", "explain", "Explain where values come from."),
    "export": ("idp.cli.export", "export", "Write the desired entries of a target, for the target's own tools."),
    "fees": ("idp.cli.fees", "fees", "Run and fill the fees application."),
    "keys": ("idp.cli.keys", "keys", "List and rotate the installation's keys."),
    "letters": ("idp.cli.letters", "letters", "List, send and retry letters."),
    "people": ("idp.cli.people", "people", "Find people, and judge records that may be one person."),
    "plan": ("idp.cli.provisioning", "plan", "Show what would change in the targets."),
    "registry": ("idp.cli.registry", "registry", "Import student records, and list bad rows."),
    "runs": ("idp.cli.runs", "runs", "List, show, approve and control plans and runs."),
    "schedules": (
        "idp.cli.schedules",
        "schedules",
        "List and run schedules.",
    ),
    "serve": ("idp.cli.serve", "serve", "Run the web server and a worker."),
    "sessions": ("idp.cli.sessions", "sessions", "List and end the sessions of a person."),
    "setup": ("idp.cli.setup", "setup", "Create missing keys and upgrade the databases to this version."),
    "staff": ("idp.cli.staff", "staff", "Manage staff accounts: clerks, operators, administrators."),
    "status": ("idp.cli.provisioning", "status", "Show the state of records, targets, runs, letters and workers."),
    "undo": ("idp.cli.undo", "undo", "Make a plan that takes back the changes of RUN."),
    "worker": ("idp.cli.worker", "worker", "Run the background work until stopped."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(no_such_command(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in sorted(COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="idp")
def idp() -> None:
    """Identities for a university. The settings file is named by IDP_CONFIG."""


def main() -> None:
    """Run a command; an error of ours ends it with one clear message and exit code 1."""
    show_only_visible()
    try:
        idp()
    except IdpError as error:
        click.secho(f"{error.code}: {error}", fg="red", err=True)
        sys.exit(1)
