"""The `idp` command: one file per group of commands, imported when the group is used, so that each starts fast."""

import importlib
import sys

import click

from idp.cli.output import show_only_visible
from idp.cli.suggestions import no_such_command
from idp.errors import IdpError

# command -> (module, attribute, help): the help line stands here so that `idp --help` imports nothing.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "accounts": ("idp.cli.accounts", "accounts", "Keep an account closed whatever the records say: hold, release."),
    "addresses": ("idp.cli.addresses", "addresses", "Mail names: preview a new intake's."),
    "apply": ("idp.cli.provisioning", "apply", "Apply a plan to the targets."),
    "audit": ("idp.cli.audit", "audit", "Read and check the journal."),
    "completion": ("idp.cli.completion", "completion", "Print the shell's completion script for idp."),
    "config": ("idp.cli.config", "config", "Check the settings, or print an example file."),
    "drift": ("idp.cli.drift", "drift", "What others changed in the targets."),
    "explain": ("idp.cli.explain", "explain", "Why a person's entries look as they do."),
    "export": ("idp.cli.export", "export", "What the directory should have, as a file for its own tools."),
    "fees": ("idp.cli.fees", "fees", "The fees application."),
    "keys": ("idp.cli.keys", "keys", "The installation's keys: list, rotate."),
    "letters": ("idp.cli.letters", "letters", "Letters owed and sent."),
    "people": ("idp.cli.people", "people", "Records that may be one person: duplicates, merge, unmerge."),
    "plan": ("idp.cli.provisioning", "plan", "Show what would change in the targets; nothing is written to them."),
    "registry": ("idp.cli.registry", "registry", "Student records in: import, quarantine, sample."),
    "runs": ("idp.cli.runs", "runs", "Plans and runs: list, show, export, approve, pause, cancel."),
    "schedules": ("idp.cli.schedules", "schedules", "What is done at which times: list, run."),
    "serve": ("idp.cli.serve", "serve", "Start the web server and its worker."),
    "applications": ("idp.cli.applications", "applications", "The registered applications."),
    "sessions": ("idp.cli.sessions", "sessions", "Where a person is signed in, and ending that."),
    "setup": ("idp.cli.setup", "setup", "Make missing keys and bring the databases to this version."),
    "staff": ("idp.cli.staff", "staff", "Staff accounts."),
    "status": ("idp.cli.provisioning", "status", "Where everything stands."),
    "undo": ("idp.cli.undo", "undo", "Take a run back, by a plan of its own."),
    "worker": ("idp.cli.worker", "worker", "Run the sweeps until stopped."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is asked for."""

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
