"""`idp services`: the registered applications, looked at before and after they are registered."""

import sys

import click
from rich.table import Table

from idp.app.installation import Idp
from idp.cas.registered import service_files
from idp.cas.review import Explanation, Finding, explain, review
from idp.cas.services import Service, Services, estudent, read_services
from idp.cli.support import Group, add_row, console, json_option, pass_idp, print_json
from idp.errors import NotFound
from idp.people.account_queries import find_account
from idp.people.status import local_date
from idp.sso.identifiers import tell_apart

Told = dict[str, list[str]]


@click.group(cls=Group)
def services() -> None:
    """The registered applications: who may ask for tickets, and what they learn."""


@services.command()
@json_option
@pass_idp
def check(installation: Idp, as_json: bool) -> None:
    """Say what is risky in the registrations; exit code 1 when something is, or when a file cannot be read."""
    listed = _registered(installation)
    found = review(listed, local_date(installation.clock.now(), installation.zone))
    if as_json:
        print_json({"services": len(listed), "findings": found})
    else:
        _print_findings(listed, found)
    sys.exit(1 if found else 0)


def _print_findings(listed: list[Service], found: list[Finding]) -> None:
    if not found:
        click.echo(f"{len(listed)} registered services, nothing to mend.")
        return
    table = Table("service", "risk", "what", box=None, header_style="bold")
    for one in found:
        add_row(table, one.service, one.risk, one.what)
    console().print(table)


@services.command(name="explain")
@click.argument("url")
@click.option("--person", default="", help="Show what it would learn about this person: a uid, album number or mail.")
@json_option
@pass_idp
def explain_url(installation: Idp, url: str, person: str, as_json: bool) -> None:
    """Say which registration an address falls under, or why under none (exit code 1), and what would be released."""
    home = estudent(installation.settings.web.base_url)
    known = Services.of([home, *_registered(installation)])
    explained = explain(known, url, local_date(installation.clock.now(), installation.zone))
    told = _told(installation, explained, person) if person else None
    if as_json:
        _print_json(explained, told)
    else:
        _print(explained, told, person)
    sys.exit(0 if explained.service else 1)


def _registered(installation: Idp) -> list[Service]:
    return read_services(service_files(installation.settings.cas.services_dirs))


def _told(installation: Idp, explained: Explanation, person: str) -> Told | None:
    """Return what the service would learn, its principal first. Raises: NotFound"""
    people = installation.settings.people
    identifier = tell_apart(person, people.mail_domain, people.alias_prefix)
    with installation.databases.identity.read() as connection:
        account = find_account(connection, identifier.key, identifier.value) if identifier else None
    if account is None:
        raise NotFound("nobody has this uid, album number or mail address")
    if explained.service is None:
        return None
    answer = installation.ticket_service.would_tell(explained.service, account.account_id)
    return None if answer is None else {"user": [answer.user], **answer.attributes}


def _print_json(explained: Explanation, told: Told | None) -> None:
    service = explained.service
    print_json(
        {
            "address": explained.address,
            "service": service and service.id,
            "why": explained.why,
            "principal": service and service.principal,
            "attributes": service.attributes if service else [],
            "attributes_in_cas2": service and service.attributes_in_cas2,
            "second_factor": service and service.second_factor,
            "owner": service and service.owner,
            "contact": service and service.contact,
            "released": told,
        }
    )


def _print(explained: Explanation, told: Told | None, person: str) -> None:
    service = explained.service
    if service is None:
        click.echo("No registered application has this address:")
        for line in explained.why:
            click.echo(f"  {line}")
        return
    address = service.logout_address(explained.address)
    contact = f", contact {service.contact}" if service.contact else ""
    click.echo(f"{service.id} ({service.name['en']}), answered for by {service.owner}{contact}")
    click.echo(f"  user: {service.principal}; attributes: {', '.join(service.attributes) or 'none'}")
    click.echo(f"  told of sign-out: {address or 'no'}")
    click.echo(f"  attributes are told by CAS 2, too: {'yes' if service.attributes_in_cas2 else 'no'}")
    click.echo(f"  second factor: {service.second_factor.replace('_', ' ')}")
    click.echo(f"  may act for its users: {'yes' if service.proxy.allowed else 'no'}")
    if person and told is None:
        click.echo(f"  this person has no {service.principal} yet and would be told so instead of getting a ticket")
    for name, values in (told or {}).items():
        click.echo(f"  {name} = {', '.join(values)}")
