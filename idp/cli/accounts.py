"""`idp accounts`: lock accounts whatever the records say, and unlock them."""

from datetime import datetime

import click
from rich.table import Table

from idp.accounts.locks import lock_and_sign_out, unlock_account
from idp.app.installation import Idp
from idp.cli.reconciling import reconcile_at_once
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json, when
from idp.errors import NotFound
from idp.people.account_queries import Account, find_account, load_account
from idp.people.lock_queries import LockOwner, list_locks
from idp.sso.identifiers import tell_apart


@click.group(cls=Group)
def accounts() -> None:
    """Accounts that a human locks: disabled at once, and kept so whatever the records say."""


@accounts.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why: it stands in the journal, so name no health or family matters.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The day on which the lock ends by itself; without it, never."
)
@pass_idp
def lock(installation: Idp, name: str, reason: str, until: datetime | None) -> None:
    """Lock the account of NAME (a uid, an address, an album number).

    Every session of it ends with this command; directory and applications are told at once, or by the worker.
    """
    account = _find(installation, name)
    ends_at = until.replace(tzinfo=installation.zone) if until else None
    messages = lock_and_sign_out(
        installation.databases,
        installation.raw_store,
        installation.clock,
        account.account_id,
        current_actor(),
        reason,
        ends_at=ends_at,
    )
    installation.sign_out_service.tell(messages, installation.settings.sso.logout_wait_s)
    click.echo(f"{account.display_name} ({account.uid}) is locked; every session of this account has ended.")
    reconcile_at_once(installation, account.account_id)


@accounts.command()
@click.argument("name")
@click.option(
    "--owner",
    type=click.Choice([owner.value for owner in LockOwner]),
    default=LockOwner.OPERATOR.value,
    show_default=True,
    help="Whose lock to remove; the others stay.",
)
@pass_idp
def unlock(installation: Idp, name: str, owner: str) -> None:
    """Remove a lock from the account of NAME: without any lock, what the records say counts again."""
    account = _find(installation, name)
    rest = unlock_account(
        installation.databases, installation.clock, account.account_id, current_actor(), LockOwner(owner)
    )
    reconcile_at_once(installation, account.account_id)
    with installation.databases.identity.read() as connection:
        now = load_account(connection, account.account_id)
    state = "enabled" if now is not None and now.enabled else "disabled"
    click.echo(f"{account.display_name} ({account.uid}) is unlocked; the account is {state}.")
    if rest:
        click.echo(f"It is still locked by: {', '.join(each.owner for each in rest)}.")


@accounts.command()
@json_option
@pass_idp
def locked(installation: Idp, as_json: bool) -> None:
    """List the locks: on whom, whose, by whom and why."""
    with installation.databases.identity.read() as connection:
        locks = [(each, load_account(connection, each.account_id)) for each in list_locks(connection)]
    if as_json:
        print_json([each for each, _ in locks])
        return
    table = Table("uid", "name", "owner", "since", "until", "by", "reason", box=None, header_style="bold")
    for each, account in locks:
        who = (account.uid, account.display_name) if account else (each.account_id, "")
        times = (when(each.locked_at, installation.zone), when(each.ends_at, installation.zone) if each.ends_at else "")
        add_row(table, *who, each.owner, *times, each.locked_by, each.reason)
    console().print(table if locks else "Nobody is locked.")


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
