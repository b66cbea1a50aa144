"""`idp fees`: the fees application. IDP_FEES_CONFIG names its settings file, apart from idp's own."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import click
import structlog
from rich.markup import escape
from rich.table import Table

from idp.audit.events import new_id, shell_actor
from idp.cli.granian import granian_command, require_free_port
from idp.cli.support import Group, add_row, console, counted, json_option, print_json, when
from idp.clock import Clock
from idp.errors import NotFound
from idp.fees.account_numbers import grouped, parse_nrb
from idp.fees.charges import NewCharge, record_charges
from idp.fees.database import (
    Database,
    create_missing_key,
    load_key,
    migrate,
    open_database,
    require_made,
    require_migrated,
)
from idp.fees.days import today
from idp.fees.demo import Payer, invented, mark_of
from idp.fees.due import Condition
from idp.fees.journal import latest
from idp.fees.ledger import Ledger, charges_by_reference, load_ledger, load_ledgers
from idp.fees.list_files import parse_day, read_charges, read_payments
from idp.fees.lists import Recorded
from idp.fees.money import parse_minor
from idp.fees.overview import Overview, Receivable, overview_of
from idp.fees.payments import NewPayment, record_payments
from idp.fees.settings import Settings, load_settings
from idp.fees.student_tables import all_students, find_student
from idp.fees.students import import_students
from idp.fees.values import Student

P = ParamSpec("P")
R = TypeVar("R")

STATE_STYLES = {
    Condition.PAID: "green",
    Condition.PAID_LATE: "yellow",
    Condition.DUE: "cyan",
    Condition.OVERDUE: "red",
}


@dataclass(frozen=True, slots=True)
class Fees:
    """The opened application, for commands."""

    settings: Settings
    database: Database
    clock: Clock

    @property
    def today(self) -> date:
        return today(self.clock, self.settings.university.time_zone)

    @property
    def default_kind(self) -> str:
        """The kind of account of a charge without --kind."""
        return next(iter(self.settings.fees.kinds))


def pass_fees(command: Callable[Concatenate[Fees, P], R]) -> Callable[P, R]:
    """Give the command the opened application as its first argument and close it at the end."""

    @wraps(command)
    def opened(*args: P.args, **kwargs: P.kwargs) -> R:
        structlog.contextvars.bind_contextvars(correlation_id=new_id())
        settings = load_settings()
        require_made(settings.fees)
        database = open_database(settings.fees)
        try:
            require_migrated(database)
            return command(Fees(settings, database, Clock()), *args, **kwargs)
        finally:
            database.close()

    return opened


existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def fees() -> None:
    """Run and fill the fees application. IDP_FEES_CONFIG names its settings file."""


@fees.command()
def setup() -> None:
    """Create the key if it is missing and upgrade the database to this version. A repeat is harmless."""
    settings = load_settings()
    if file := create_missing_key(settings.fees):
        click.echo(f"made {file}")
    database = open_database(settings.fees)
    try:
        click.echo(f"database fees: {migrate(database)}")
    finally:
        database.close()


@fees.command()
@pass_fees
def serve(application: Fees) -> None:
    """Run the web server of the fees pages. SIGTERM or SIGINT stops it."""
    web = application.settings.web
    load_key(application.settings.fees)  # an error is printed once here, not by each process
    require_free_port(web.host, web.port, "web.port of the fees application")
    application.database.close()
    words = granian_command("idp.fees.app:create_app", web.host, web.port, web.workers, web.blocking_threads)
    sys.stdout.flush()
    # This process becomes the server, so signals reach it and systemd watches it.
    os.execv(words[0], list(words))  # noqa: S606 - the words are ours


@fees.command()
@click.argument("file", type=existing_file)
@json_option
@pass_fees
def students(application: Fees, file: Path, as_json: bool) -> None:
    """Import students and programmes from a registry export, and open an individual account for each student."""
    settings = application.settings
    taken = import_students(
        application.database, settings.fees, settings.university.time_zone, application.clock, file, shell_actor()
    )
    if as_json:
        print_json(taken)
        return
    click.echo(
        f"{counted(taken.rows, 'row', 'rows')}: {counted(taken.added, 'student', 'students')} added,"
        f" {taken.changed:,} changed, {taken.unchanged:,} unchanged;"
        f" {counted(taken.stale, 'row', 'rows')} stale, {len(taken.bad):,} bad;"
        f" {counted(taken.accounts_opened, 'account', 'accounts')} opened."
    )
    for row in taken.bad:
        click.secho(f"line {row.line}, os_id {row.os_id or '?'}: {row.reason}", fg="yellow", err=True)


@fees.command()
@click.option("--album", help="Album number of the student.")
@click.option("--title", help="What it is for, in the university's language.")
@click.option("--title-en", default="", help="The same in English.")
@click.option("--amount", help="How much, like 123.45.")
@click.option("--due", help="Due date, like 2026-10-15. A day off moves to the next working day.")
@click.option("--kind", help="Kind of account to pay to [default: the first in the settings].")
@click.option("--reference", help="A name that stays: the same name is the same charge [default: a new name].")
@click.option("--file", "file", type=existing_file, help="A CSV list: album;title;title_en;amount;due;kind;reference.")
@json_option
@pass_fees
def charge(application: Fees, /, file: Path | None, kind: str | None, as_json: bool, **one: str) -> None:
    """Record a charge, or a list of charges. A list with a mistake is refused as a whole."""
    kind = kind or application.default_kind
    if file:
        _refuse_both(one)
        wanted = read_charges(file, kind)
    else:
        _require(one, "album", "title", "amount", "due")
        reference = one["reference"] or f"charge-{new_id()}"
        minor, due_on = parse_minor(one["amount"]), parse_day(one["due"])
        wanted = [NewCharge(one["album"], one["title"], minor, due_on, reference, kind, one["title_en"])]
    kinds = application.settings.fees.kinds
    recorded = record_charges(application.database, kinds, application.clock, wanted, shell_actor())
    _say_recorded(recorded, [new.reference for new in wanted], "charge", as_json)


@fees.command()
@click.option("--account", help="The account number that was credited.")
@click.option("--amount", help="How much, like 123.45.")
@click.option("--ordered", default="", help="Day on which the payer ordered it, if known.")
@click.option("--credited", help="Day on which the university's account was credited. This day counts.")
@click.option("--reference", help="A name that stays: the same name is the same payment.")
@click.option("--file", "file", type=existing_file, help="A CSV list: account;amount;ordered;credited;reference.")
@json_option
@pass_fees
def payment(application: Fees, /, file: Path | None, as_json: bool, **one: str) -> None:
    """Record a payment, or a list of payments. A list with a mistake is refused as a whole."""
    if file:
        _refuse_both(one)
        wanted = read_payments(file)
    else:
        _require(one, "account", "amount", "credited", "reference")
        ordered_on = parse_day(one["ordered"]) if one["ordered"] else None
        nrb, minor, credited_on = parse_nrb(one["account"]), parse_minor(one["amount"]), parse_day(one["credited"])
        wanted = [NewPayment(nrb, minor, ordered_on, credited_on, one["reference"])]
    time_zone = application.settings.university.time_zone
    recorded = record_payments(application.database, time_zone, application.clock, wanted, shell_actor())
    _say_recorded(recorded, [new.reference for new in wanted], "payment", as_json)


@fees.command(name="list")
@click.option("--album", help="Only this student.")
@click.option(
    "--state", type=click.Choice([condition.value for condition in Condition]), help="Only charges in this state."
)
@json_option
@pass_fees
def show(application: Fees, album: str | None, state: str | None, as_json: bool) -> None:
    """List charges, with due date, state and payments as of today."""
    found = [(student, overview_of(ledger, application.today)) for student, ledger in _ledgers(application, album)]
    if as_json:
        print_json([_as_json(student, overview, state) for student, overview in found])
        return
    table = Table("album", "name", "title", "amount", "due", "state", "paid", box=None, header_style="bold")
    for student, overview in found:
        for receivable in _in_state(overview, state):
            table.add_row(student.album or "-", escape(student.display_name), *_cells(receivable))
    console().print(table)
    if album:
        for _, overview in found:
            for account in overview.accounts:
                click.echo(f"account ({account.kind}, {account.currency}): {grouped(account.nrb)}")


@fees.command(name="demo-data")
@click.option("--seed", default=1, show_default=True, help="Another seed invents other data.")
@json_option
@pass_fees
def demo_data(application: Fees, seed: int, as_json: bool) -> None:
    """Invent charges and payments for students who have none of these yet. For demonstrations only."""
    charges, payments = invented(_new_payers(application), seed, application.today)
    settings, clock = application.settings, application.clock
    record_charges(application.database, settings.fees.kinds, clock, charges, shell_actor())
    record_payments(application.database, settings.university.time_zone, clock, payments, shell_actor())
    if as_json:
        print_json({"charges": len(charges), "payments": len(payments)})
    else:
        both = counted(len(charges), "charge", "charges"), counted(len(payments), "payment", "payments")
        click.echo(f"{' and '.join(both)} invented.")


@fees.command()
@click.option("--last", "count", default=50, show_default=True, help="How many of the newest events.")
@click.option("--subject", default="", help="Only events about or by this album, account, file or user.")
@json_option
@pass_fees
def journal(application: Fees, count: int, subject: str, as_json: bool) -> None:
    """List the newest events: who, what, when."""
    with application.database.read() as connection:
        events = latest(connection, count, subject)
    if as_json:
        print_json([{**event, "event_id": str(event["event_id"])} for event in events])
        return
    zone = ZoneInfo(application.settings.university.time_zone)
    table = Table("when", "what", "who", "about", "more", box=None, header_style="bold")
    for event in events:
        more = ", ".join(f"{key}={value}" for key, value in event["data"].items())
        add_row(table, when(event["at"], zone), event["kind"], event["actor"], event["subject"], more)
    console().print(table)


def _ledgers(application: Fees, album: str | None) -> list[tuple[Student, Ledger]]:
    with application.database.read() as connection:
        if album is None:
            ledgers = load_ledgers(connection)
            return [(student, ledgers[student.student_id]) for student in all_students(connection)]
        student = find_student(connection, album)
        if student is None:
            raise NotFound(f"no student has the album number {album!r}. Import students with: idp fees students FILE")
        return [(student, load_ledger(connection, student.student_id))]


def _new_payers(application: Fees) -> list[Payer]:
    """Return the students with album and account who were not served before."""
    with application.database.read() as connection:
        everybody = all_students(connection)
        ledgers = load_ledgers(connection)
        served = charges_by_reference(connection, (mark_of(student.os_id) for student in everybody))
    payers = []
    for student in everybody:
        account = next((one for one in ledgers[student.student_id].accounts if one.valid_to is None), None)
        if student.album and account and mark_of(student.os_id) not in served:
            part_time = any(programme.form == "N" for programme in student.programmes)
            payers.append(Payer(student.os_id, student.album, account.kind, account.nrb, part_time))
    return payers


def _require(one: dict[str, str], *names: str) -> None:
    missing = [f"--{name}" for name in names if not one[name]]
    if missing:
        raise click.UsageError(f"Missing: {', '.join(missing)} (or --file).")


def _refuse_both(one: dict[str, str]) -> None:
    if any(one.values()):
        raise click.UsageError("Use either --file or the options of one entry, not both.")


def _say_recorded(recorded: Recorded, references: Sequence[str], what: str, as_json: bool) -> None:
    if as_json:
        print_json({"added": recorded.added, "known": recorded.known, "references": list(references)})
    else:
        click.echo(f"{counted(recorded.added, what, what + 's')} recorded, {recorded.known:,} known already.")


def _in_state(overview: Overview, state: str | None) -> list[Receivable]:
    return [one for one in overview.receivables if state is None or one.state.condition == state]


def _cells(receivable: Receivable) -> tuple[str, ...]:
    state = receivable.state
    days = f" {state.days} d" if state.days else ""
    style = STATE_STYLES[state.condition]
    return (
        escape(receivable.charge.title),
        str(receivable.charge.amount),
        state.payable_until.isoformat(),
        f"[{style}]{state.condition.value.replace('_', ' ')}{days}[/]",
        str(receivable.paid) if state.paid_minor else "",
    )


def _as_json(student: Student, overview: Overview, state: str | None) -> dict[str, Any]:
    return {
        "os_id": student.os_id,
        "album": student.album,
        "name": student.display_name,
        "accounts": [
            {"number": account.nrb, "kind": account.kind, "currency": account.currency} for account in overview.accounts
        ],
        "charges": [_charge_as_json(receivable) for receivable in _in_state(overview, state)],
        "payments": [
            {
                "reference": credit.payment.reference,
                "account": credit.payment.nrb,
                "amount": f"{credit.payment.amount.decimal:.2f}",
                "currency": credit.payment.amount.currency,
                "ordered_on": credit.payment.ordered_on,
                "credited_on": credit.payment.credited_on,
                "unused_amount": f"{credit.left.decimal:.2f}",
            }
            for credit in overview.credits
        ],
    }


def _charge_as_json(receivable: Receivable) -> dict[str, Any]:
    charge, state = receivable.charge, receivable.state
    return {
        "reference": charge.reference,
        "title": charge.title,
        "title_en": charge.title_en,
        "kind": charge.kind,
        "amount": f"{charge.amount.decimal:.2f}",
        "currency": charge.amount.currency,
        "due_on": charge.due_on,
        "effective_due_on": state.payable_until,
        "state": state.condition,
        "days": state.days,
        "settled_on": state.settled_on,
        "paid_amount": f"{receivable.paid.decimal:.2f}",
    }
