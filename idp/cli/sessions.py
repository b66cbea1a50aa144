"""`idp sessions`: list and end the sign-on sessions of a person."""

from collections.abc import Sequence
from datetime import datetime

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.cli.people_named import PERSON, account_named
from idp.cli.support import Group, add_row, console, counted, current_actor, json_option, pass_idp, print_json, when
from idp.errors import NotFound
from idp.sso import sessions as sso
from idp.sso.session_queries import LiveSession
from idp.sso.sessions import Ended
from idp.sso.sign_out import Outcome


@click.group(cls=Group)
def sessions() -> None:
    """List and end the sessions of a person. PERSON is a uid, an album number or a mail address."""


@sessions.command(name="list")
@click.argument("who", metavar=PERSON)
@json_option
@pass_idp
def list_of(installation: Idp, who: str, as_json: bool) -> None:
    """List the sessions of PERSON, the last used first."""
    found = sso.list_of(installation.raw_store, installation.clock, account_named(installation, who).account_id)
    if as_json:
        print_json([_plain(installation, one) for one in found])
        return
    table = Table("session", "signed in", "last used", "ends", "from", "browser", box=None, header_style="bold")
    for one in found:
        times = (_when(installation, at) for at in (one.signed_in_at, one.seen_at, one.expires_at))
        add_row(table, one.session_id, *(when(at, installation.zone) for at in times), one.network, one.browser)
    console().print(table if found else f"{who} is not signed in anywhere.")


@sessions.command()
@click.argument("who", metavar=PERSON)
@click.argument("session_id", default="")
@json_option
@pass_idp
def end(installation: Idp, who: str, session_id: str, as_json: bool) -> None:
    """End one session of PERSON, or all of them, and sign PERSON out of the applications used in it."""
    account = account_named(installation, who)
    raw_store, clock, actor = installation.raw_store, installation.clock, current_actor()
    before = sso.list_of(raw_store, clock, account.account_id)
    if session_id and session_id not in {one.session_id for one in before}:
        raise NotFound(f"{who} has no session {session_id}. List them with: idp sessions list {who}")
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
    click.echo(f"Ended {counted(ended, 'session', 'sessions')}." if ended else "Not signed in anywhere.")
    for outcome in outcomes:
        told = "signed out" if outcome.is_confirmed else "no answer yet; the worker tries again"
        click.echo(f"  {outcome.application}: {told}")


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
