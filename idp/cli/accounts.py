"""`idp accounts`: lock accounts whatever the records say, and unlock them."""

from dataclasses import asdict
from datetime import datetime

import click
from rich.table import Table

from idp.accounts.locks import lock_and_sign_out, unlock_account
from idp.app.installation import Idp
from idp.cli.locks import still_locked
from idp.cli.people_named import PERSON, account_named
from idp.cli.reconciling import reconcile_at_once
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json, when
from idp.people.account_queries import load_account
from idp.people.lock_queries import list_locks
from idp.people.values import LockOwner


@click.group(cls=Group)
def accounts() -> None:
    """Lock and unlock accounts. A locked account is disabled at once and stays so, whatever the records say."""


@accounts.command()
@click.argument("who", metavar=PERSON)
@click.option("--reason", required=True, help="Why. The journal keeps it, so name no health or family matters.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The day on which the lock ends by itself. Without it, never."
)
@pass_idp
def lock(installation: Idp, who: str, reason: str, until: datetime | None) -> None:
    """Lock the account of PERSON: a uid, an album number or a mail address.

    Every session of the account ends with this command. Targets and applications learn of it at once; if one does not
    answer, the worker tries again. If you locked the account before, the new reason and the new end replace the old.
    """
    ends_at = until.replace(tzinfo=installation.zone) if until else None
    if ends_at is not None and ends_at <= installation.clock.now():
        raise click.UsageError(f"--until {ends_at:%Y-%m-%d} is not in the future: the lock would end at once.")
    account = account_named(installation, who)
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
@click.argument("who", metavar=PERSON)
@click.option(
    "--owner",
    type=click.Choice([owner.value for owner in LockOwner]),
    default=LockOwner.OPERATOR.value,
    show_default=True,
    help="Whose lock to remove. The others stay.",
)
@pass_idp
def unlock(installation: Idp, who: str, owner: str) -> None:
    """Remove a lock from the account of PERSON. Without any lock, the records decide again."""
    account = account_named(installation, who)
    rest = unlock_account(
        installation.databases, installation.clock, account.account_id, current_actor(), LockOwner(owner)
    )
    reconcile_at_once(installation, account.account_id)
    with installation.databases.identity.read() as connection:
        now = load_account(connection, account.account_id)
    state = "enabled" if now is not None and now.enabled else "disabled"
    click.echo(f"{account.display_name} ({account.uid}) is unlocked; the account is {state}.")
    if rest:
        click.echo(still_locked(rest, account.uid))


@accounts.command()
@json_option
@pass_idp
def locked(installation: Idp, as_json: bool) -> None:
    """List all locks: on whom, whose, by whom and why."""
    with installation.databases.identity.read() as connection:
        locks = [(lock, load_account(connection, lock.account_id)) for lock in list_locks(connection)]
    if as_json:
        print_json(
            [
                {
                    **asdict(lock),
                    "uid": account.uid if account else None,
                    "name": account.display_name if account else None,
                }
                for lock, account in locks
            ]
        )
        return
    table = Table("uid", "name", "owner", "since", "until", "by", "reason", box=None, header_style="bold")
    for lock, account in locks:
        who = (account.uid, account.display_name) if account else (lock.account_id, "")
        times = (when(lock.locked_at, installation.zone), when(lock.ends_at, installation.zone) if lock.ends_at else "")
        add_row(table, *who, lock.owner, *times, lock.locked_by, lock.reason)
    console().print(table if locks else "Nobody is locked.")
