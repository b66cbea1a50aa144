"""`idp staff`: invite, list and manage staff. The first administrator is invited here, on the machine."""

from dataclasses import asdict

import click
from rich.table import Table

from idp.accounts.staff_queries import StaffAccount, list_staff
from idp.app.installation import Idp
from idp.cli.locks import still_locked
from idp.cli.reconciling import reconcile_at_once
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json
from idp.permissions import STAFF_ROLES, Role


@click.group(cls=Group)
def staff() -> None:
    """Manage staff accounts: clerks, operators, administrators."""


@staff.command()
@click.argument("mail")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in STAFF_ROLES]),
    help="What they may do.",
)
@click.option("--given-name", default="", help="Filled into the form; they may correct it.")
@click.option("--surname", default="", help="Filled into the form; they may correct it.")
@json_option
@pass_idp
def invite(installation: Idp, mail: str, role: str, given_name: str, surname: str, as_json: bool) -> None:
    """Invite a member of staff: print a one-time link, and send it to MAIL.

    Whoever opens the link creates the account. Give it only to the owner of MAIL, and do not open it yourself.
    """
    link = installation.staff_service.invite(mail, Role(role), given_name, surname, current_actor())
    seconds = installation.settings.accounts.invitation_s
    if as_json:
        print_json({"mail": mail, "role": role, "link": link, "expires_in_s": seconds})
        return
    click.echo(f"{mail} is invited with the role {role}. This link works once, within {seconds / 86400:g} days:\n")
    click.echo(f"  {link}\n")
    click.echo("The same link is sent to that address.")


@staff.command()
@click.argument("mail")
@pass_idp
def disable(installation: Idp, mail: str) -> None:
    """Lock the account of a member of staff, end their sessions, and sign them out of applications."""
    member, messages = installation.staff_service.disable(mail, current_actor())
    installation.sign_out_service.tell(messages, installation.settings.sso.logout_wait_s)
    click.echo(f"{member.mail} is disabled; every session has ended.")
    reconcile_at_once(installation, member.account_id)


@staff.command()
@click.argument("mail")
@pass_idp
def enable(installation: Idp, mail: str) -> None:
    """Let a member of staff sign in again."""
    enabled = installation.staff_service.enable(mail, current_actor())
    member = enabled.account
    reconcile_at_once(installation, member.account_id)
    if not enabled.locks:
        click.echo(f"{member.mail} may sign in again." if enabled.was_disabled else f"{member.mail} was not disabled.")
        return
    click.echo(f"{member.mail} is enabled." if enabled.was_disabled else f"{member.mail} was not disabled.")
    click.echo(still_locked(enabled.locks, member.uid))


@staff.command()
@click.argument("mail")
@click.argument("role", type=click.Choice([role.value for role in STAFF_ROLES]))
@pass_idp
def role(installation: Idp, mail: str, role: str) -> None:
    """Give a member of staff another ROLE. It applies at once, also in open sessions."""
    member = installation.staff_service.change_role(mail, Role(role), current_actor())
    reconcile_at_once(installation, member.account_id)
    click.echo(f"{member.mail} now has the role {member.role}.")


@staff.command()
@click.argument("mail")
@pass_idp
def withdraw(installation: Idp, mail: str) -> None:
    """Withdraw the invitation of MAIL: its link stops working."""
    click.echo(f"The invitation of {installation.staff_service.withdraw(mail, current_actor()).mail} is withdrawn.")


@staff.command(name="list")
@json_option
@pass_idp
def list_all(installation: Idp, as_json: bool) -> None:
    """List all staff, also those who have not joined yet."""
    with installation.databases.identity.read() as connection:
        members = list_staff(connection)
    if as_json:
        facts = map(asdict, members)
        print_json([{name: value for name, value in each.items() if name != "invitation"} for each in facts])
        return
    table = Table("name", "mail", "role", "uid", "state", box=None, header_style="bold")
    for member in members:
        add_row(table, member.display_name, member.mail, member.role, member.uid, _state(member))
    console().print(
        table if members else "There is no staff yet. Start with: idp staff invite MAIL --role administrator"
    )


def _state(member: StaffAccount) -> str:
    if member.joined_at is None:
        return "invited" if member.invitation else "withdrawn"
    return "active" if member.enabled else "disabled"
