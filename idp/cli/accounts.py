"""`idp accounts`: keep an account closed whatever the records say, and let go of it."""

import click
from rich.table import Table

from idp.accounts import holds
from idp.app.installation import Idp
from idp.audit.events import shell_actor
from idp.cli.reconciling import reconcile_at_once
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json, when
from idp.errors import NotFound
from idp.people.account_queries import Account, find_account, load_account
from idp.people.hold_queries import list_holds
from idp.sso.identifiers import tell_apart


@click.group(cls=Group)
def accounts() -> None:
    """Accounts that a human holds: closed at once, and kept closed whatever the records say."""


@accounts.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why: it stands in the journal, so name no health or family matters.")
@pass_idp
def hold(installation: Idp, name: str, reason: str) -> None:
    """Close the account of NAME (a uid, an address, an album number) until somebody releases it.

    Every session of it ends with this command; directory and applications are told at once, or by the worker.
    """
    found = _find(installation, name)
    holds.hold(installation.databases, installation.clock, found.account_id, shell_actor(), reason)
    click.echo(f"{found.display_name} ({found.uid}) is held; every session of this account has ended.")
    reconcile_at_once(installation, found.account_id)


@accounts.command()
@click.argument("name")
@pass_idp
def release(installation: Idp, name: str) -> None:
    """Let go of the account of NAME: what the records say counts again."""
    found = _find(installation, name)
    holds.release(installation.databases, installation.clock, found.account_id, shell_actor())
    reconcile_at_once(installation, found.account_id)
    with installation.databases.identity.read() as connection:
        now = load_account(connection, found.account_id)
    is_open = now is not None and now.enabled
    click.echo(f"{found.display_name} ({found.uid}) is released; the account is {'open' if is_open else 'closed'}.")


@accounts.command()
@json_option
@pass_idp
def held(installation: Idp, as_json: bool) -> None:
    """List the accounts that are held, by whom and why."""
    with installation.databases.identity.read() as connection:
        found = [(one, load_account(connection, one.account_id)) for one in list_holds(connection)]
    if as_json:
        print_json([one for one, _ in found])
        return
    table = Table("uid", "name", "since", "by", "reason", box=None, header_style="bold")
    for one, account in found:
        since = when(one.held_at, installation.zone)
        who = (account.uid, account.display_name) if account else (one.account_id, "")
        add_row(table, *who, since, one.held_by, one.reason)
    console().print(table if found else "Nobody is held.")


def _find(installation: Idp, name: str) -> Account:
    people = installation.settings.people
    identifier = tell_apart(name, people.mail_domain, people.alias_prefix)
    found = None
    if identifier is not None:
        with installation.databases.identity.read() as connection:
            found = find_account(connection, identifier.key, identifier.value)
    if found is None:
        raise NotFound(f"nobody is called {name}: give a uid, an address or an album number")
    return found
