"""`idp sessions`: where somebody is signed in, and signing them out there."""

from collections.abc import Sequence
from datetime import datetime

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.support import Group, add_row, console, current_actor, json_option, pass_idp, print_json, when
from idp.errors import NotFound
from idp.people.account_queries import Account, find_account
from idp.sso import sessions as sso
from idp.sso.identifiers import tell_apart
from idp.sso.session_queries import LiveSession
from idp.sso.sessions import Ended
from idp.sso.sign_out import Outcome


@click.group(cls=Group)
def sessions() -> None:
    """Where a person is signed in. PERSON is a uid, an album number or a mail address."""


@sessions.command(name="list")
@click.argument("person")
@json_option
@pass_idp
def list_of(installation: Idp, person: str, as_json: bool) -> None:
    """Show the sessions of PERSON, the last used first."""
    found = sso.list_of(installation.raw_store, installation.clock, _account(installation, person).account_id)
    if as_json:
        print_json([_plain(installation, one) for one in found])
        return
    table = Table("session", "signed in", "last used", "ends", "from", "browser", box=None, header_style="bold")
    for one in found:
        times = (_when(installation, at) for at in (one.signed_in_at, one.seen_at, one.expires_at))
        add_row(table, one.session_id, *(when(at, installation.zone) for at in times), one.network, one.browser)
    console().print(table if found else f"{person} is signed in nowhere.")


@sessions.command()
@click.argument("person")
@click.argument("session_id", default="")
@json_option
@pass_idp
def end(installation: Idp, person: str, session_id: str, as_json: bool) -> None:
    """End one session of PERSON, or all of them, and tell the applications that were used in it."""
    account = _account(installation, person)
    raw_store, clock, actor = installation.raw_store, installation.clock, current_actor()
    before = sso.list_of(raw_store, clock, account.account_id)
    if session_id and session_id not in {one.session_id for one in before}:
        raise NotFound("this person has no such session")
    if session_id:
        owed = sso.end_one_of(raw_store, clock, account.account_id, session_id, actor)
    else:
        owed = sso.end_all(raw_store, clock, account.account_id, Ended.REVOKED, actor)
    outcomes = installation.sign_out_service.tell(owed, installation.settings.sso.logout_wait_s)
    _report(1 if session_id else len(before), outcomes, as_json)


def _report(ended: int, outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        print_json({"ended": ended, "applications": outcomes})
        return
    click.echo("Nothing to end: signed in nowhere." if not ended else f"Ended: {ended}.")
    for outcome in outcomes:
        click.echo(f"  {outcome.application}: {'signed out' if outcome.is_confirmed else 'no answer yet; told on'}")


def _account(installation: Idp, person: str) -> Account:
    people = installation.settings.people
    named = tell_apart(person, people.mail_domain, people.alias_prefix)
    with installation.databases.identity.read() as connection:
        account = find_account(connection, named.key, named.value) if named else None
    if account is None:
        raise NotFound("nobody has this uid, album number or mail address")
    return account


def _when(installation: Idp, at: float) -> datetime:
    return datetime.fromtimestamp(at, installation.zone)


def _plain(installation: Idp, one: LiveSession) -> dict[str, object]:
    return {
        "session_id": one.session_id,
        "signed_in_at": _when(installation, one.signed_in_at),
        "seen_at": _when(installation, one.seen_at),
        "expires_at": _when(installation, one.expires_at),
        "remembered": one.remembered,
        "network": one.network,
        "browser": one.browser,
    }
