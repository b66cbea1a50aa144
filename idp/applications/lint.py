"""Check registrations for risks. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from idp.applications.assurance import Assurance
from idp.applications.files import Application, is_loopback
from idp.applications.urls import DEFAULT_PORTS

EXPIRES_SOON = timedelta(days=30)


class Risk(StrEnum):
    """The kind of a finding. It is part of the JSON output."""

    TOO_WIDE = "too_wide"
    PLAIN_HTTP = "plain_http"
    NO_LOGOUT = "no_logout"
    EXPIRED = "expired"
    EXPIRES_SOON = "expires_soon"
    OVERLAP = "overlap"
    SECOND_FACTOR = "second_factor"
    NOT_SERVED = "not_served"


@dataclass(frozen=True, slots=True)
class Finding:
    """One risk in a registration."""

    application: str
    risk: Risk
    what: str


def lint(applications: Iterable[Application], today: date) -> list[Finding]:
    """Return the risks of each application."""
    listed = list(applications)
    findings = [finding for application in listed for finding in _lint_one(application, today)]
    return [*findings, *_overlaps(listed)]


def _lint_one(application: Application, today: date) -> Iterator[Finding]:
    for rule in application.cas.url:
        host = f"{rule.host}{'' if rule.port is None else f':{rule.port}'}"
        if rule.path_prefix == "/" and not is_loopback(rule.host):
            yield Finding(application.id, Risk.TOO_WIDE, f"every page of {host} gets tickets; name a path")
        if "http" in rule.schemes and not is_loopback(rule.host):
            yield Finding(application.id, Risk.PLAIN_HTTP, f"tickets for {host} travel unprotected; leave http out")
    if application.cas.url and not application.cas.logout.is_told:
        why = "sessions in the application go on after signing out and after an account is closed"
        yield Finding(application.id, Risk.NO_LOGOUT, why)
    if application.oidc is not None:
        yield Finding(application.id, Risk.NOT_SERVED, "has a table [oidc], and OpenID Connect is not served yet")
    if application.required_assurance is Assurance.SECOND_FACTOR:
        why = "demands a second factor, which nobody can have yet: nobody can sign in to it"
        yield Finding(application.id, Risk.SECOND_FACTOR, why)
    if application.has_expired(today):
        yield Finding(application.id, Risk.EXPIRED, f"expired on {application.expires}: nobody can sign in to it")
    elif application.expires is not None and application.expires <= today + EXPIRES_SOON:
        yield Finding(application.id, Risk.EXPIRES_SOON, f"expires on {application.expires}")


def _overlaps(applications: list[Application]) -> Iterator[Finding]:
    owners: dict[tuple[object, ...], str] = {}
    for application in applications:
        for rule in application.cas.url:
            for scheme in rule.schemes:
                port = rule.port or DEFAULT_PORTS[scheme]
                key = (scheme, rule.host, port, rule.path, rule.path_prefix, tuple(sorted(rule.query.items())))
                owner = owners.setdefault(key, application.id)
                if owner != application.id:
                    what = f"has an address of {owner}; which one counts is chance"
                    yield Finding(application.id, Risk.OVERLAP, what)
