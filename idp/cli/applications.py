"""`idp applications`: list, check and explain the registered applications."""

import sys

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.applications.explain import Explanation, explain
from idp.applications.files import Application, application_files, estudent, read_applications
from idp.applications.lint import Finding
from idp.applications.lint import lint as lint_all
from idp.applications.matching import Applications
from idp.cli.people_named import account_named
from idp.cli.support import Group, add_row, console, counted, json_option, pass_idp, print_json
from idp.people.status import local_date

Released = dict[str, list[str]]


@click.group(cls=Group)
def applications() -> None:
    """List, check and explain the registered applications."""


@applications.command()
@json_option
@pass_idp
def lint(installation: Idp, as_json: bool) -> None:
    """Check the registrations. Exit code 1 when one has a risk or cannot be read."""
    listed = _registered(installation)
    findings = lint_all(listed, local_date(installation.clock.now(), installation.zone))
    if as_json:
        print_json({"applications": len(listed), "findings": findings})
    else:
        _print_findings(listed, findings)
    sys.exit(1 if findings else 0)


def _print_findings(listed: list[Application], findings: list[Finding]) -> None:
    if not findings:
        click.echo(f"{counted(len(listed), 'registered application', 'registered applications')}, nothing to fix.")
        return
    table = Table("application", "risk", "what", box=None, header_style="bold")
    for finding in findings:
        add_row(table, finding.application, finding.risk, finding.what)
    console().print(table)


@applications.command(name="list")
@json_option
@pass_idp
def list_all(installation: Idp, as_json: bool) -> None:
    """List the registered applications with their addresses and released attributes."""
    listed = [estudent(installation.settings.web.base_url), *_registered(installation)]
    if as_json:
        print_json([_as_json(application) for application in listed])
        return
    table = Table("application", "name", "owner", "addresses", "released", box=None, header_style="bold")
    for application in listed:
        addresses = "\n".join(str(rule) for rule in application.cas.url)
        released = ", ".join([application.cas.principal, *application.attributes])
        add_row(table, application.id, application.name["en"], application.owner, addresses, released)
    console().print(table)


def _as_json(application: Application) -> dict[str, object]:
    return {
        "application": application.id,
        "name": application.name,
        "owner": application.owner,
        "contact": application.contact,
        "links": application.links,
        "required_assurance": application.required_assurance,
        "principal": application.cas.principal,
        "attributes": application.attributes,
        "addresses": [str(rule) for rule in application.cas.url],
        "expires": application.expires,
    }


@applications.command(name="explain")
@click.argument("url")
@click.option(
    "--person",
    metavar="PERSON",
    default="",
    help="Show what it would learn about PERSON: uid, album number, mail address.",
)
@json_option
@pass_idp
def explain_url(installation: Idp, url: str, person: str, as_json: bool) -> None:
    """Show which application and rule an address matches, or why none does. Exit code 1 when no
    application has it."""
    home = estudent(installation.settings.web.base_url)
    registered = Applications.of([home, *_registered(installation)])
    explained = explain(registered, url, local_date(installation.clock.now(), installation.zone))
    released = _released(installation, explained, person) if person else None
    if as_json:
        _print_json(explained, released)
    else:
        _print(explained, released, person)
    sys.exit(0 if explained.application else 1)


def _registered(installation: Idp) -> list[Application]:
    return read_applications(application_files(installation.settings.applications.dirs))


def _released(installation: Idp, explained: Explanation, person: str) -> Released | None:
    """Return what the application would learn, its principal first. Raises: NotFound"""
    account = account_named(installation, person)
    if explained.application is None:
        return None
    answer = installation.ticket_service.would_tell(explained.application, account.account_id, account.uid)
    return None if answer is None else {"user": [answer.user], **answer.attributes}


def _print_json(explained: Explanation, released: Released | None) -> None:
    application = explained.application
    print_json(
        {
            "address": explained.address,
            "application": application and application.id,
            "rule": explained.rule and str(explained.rule),
            "why": explained.why,
            "principal": application and application.cas.principal,
            "attributes": application.attributes if application else [],
            "attributes_in_cas2": application and application.cas.attributes_in_cas2,
            "required_assurance": application and application.required_assurance,
            "owner": application and application.owner,
            "contact": application and application.contact,
            "links": application.links if application else {},
            "released": released,
        }
    )


def _print(explained: Explanation, released: Released | None, person: str) -> None:
    application = explained.application
    if application is None:
        click.echo("No registered application has this address:")
        for line in explained.why:
            click.echo(f"  {line}")
        return
    cas = application.cas
    contact = f", contact {application.contact}" if application.contact else ""
    click.echo(f"{application.id} ({application.name['en']}), owner {application.owner}{contact}")
    click.echo(f"  matched rule: {explained.rule}")
    for kind, link in application.links.items():
        click.echo(f"  {kind}: {link}")
    click.echo(f"  user: {cas.principal}; attributes: {', '.join(application.attributes) or 'none'}")
    click.echo(f"  sign-out is sent to: {cas.logout_address(explained.address) or 'nobody'}")
    click.echo(f"  CAS 2 answers have attributes: {'yes' if cas.attributes_in_cas2 else 'no'}")
    click.echo(f"  required assurance: {application.required_assurance.replace('_', ' ')}")
    click.echo(f"  may act for its users: {'yes' if cas.proxy.allowed else 'no'}")
    if person and released is None:
        click.echo(f"  this person has no {cas.principal} yet, so a page says so and there is no ticket")
    for name, values in (released or {}).items():
        click.echo(f"  {name} = {', '.join(values)}")
