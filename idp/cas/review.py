"""Look at registrations as a careful reviewer would: what is risky, which rule an address falls under. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from idp.cas.services import Service, Services, UrlRule, is_loopback
from idp.cas.urls import DEFAULT_PORTS, ServiceUrl, parse_service_url
from idp.errors import InvalidServiceUrl

EXPIRES_SOON = timedelta(days=30)


class Risk(StrEnum):
    """What a finding is about; part of the JSON output."""

    TOO_WIDE = "too_wide"
    PLAIN_HTTP = "plain_http"
    NO_LOGOUT = "no_logout"
    EXPIRED = "expired"
    EXPIRES_SOON = "expires_soon"
    OVERLAP = "overlap"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend or to be sure about."""

    service: str
    risk: Risk
    what: str


def review(services: Iterable[Service], today: date) -> list[Finding]:
    """Return what is risky, service by service."""
    listed = list(services)
    found = [finding for service in listed for finding in _review_one(service, today)]
    return [*found, *_overlaps(listed)]


def _review_one(service: Service, today: date) -> Iterator[Finding]:
    for rule in service.url:
        host = f"{rule.host}{'' if rule.port is None else f':{rule.port}'}"
        if rule.path_prefix == "/" and not is_loopback(rule.host):
            yield Finding(service.id, Risk.TOO_WIDE, f"every page of {host} gets tickets; name a path")
        if "http" in rule.schemes and not is_loopback(rule.host):
            yield Finding(service.id, Risk.PLAIN_HTTP, f"tickets for {host} travel unprotected; leave http out")
    if not service.logout.is_told:
        why = "sessions in the application go on after signing out and after an account is closed"
        yield Finding(service.id, Risk.NO_LOGOUT, why)
    if service.demands_second_factor:
        why = "demands a second factor, which nobody can have yet: nobody can sign in to it"
        yield Finding(service.id, Risk.SECOND_FACTOR, why)
    if service.has_expired(today):
        yield Finding(service.id, Risk.EXPIRED, f"expired on {service.expires}: nobody can sign in to it")
    elif service.expires is not None and service.expires <= today + EXPIRES_SOON:
        yield Finding(service.id, Risk.EXPIRES_SOON, f"expires on {service.expires}")


def _overlaps(services: list[Service]) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], str] = {}
    for service in services:
        for rule in service.url:
            for scheme in rule.schemes:
                port = rule.port or DEFAULT_PORTS[scheme]
                key = (scheme, rule.host, port, rule.path, rule.path_prefix, tuple(sorted(rule.query.items())))
                before = seen.setdefault(key, service.id)
                if before != service.id:
                    yield Finding(service.id, Risk.OVERLAP, f"has an address of {before}; which one counts is chance")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request for an address."""

    address: str
    service: Service | None
    why: tuple[str, ...]  # nothing when a service was found


def explain(services: Services, text: str, today: date) -> Explanation:
    """Return the service that an address belongs to, or why it belongs to none: the nearest rules first."""
    try:
        url = parse_service_url(text)
    except InvalidServiceUrl as refusal:
        return Explanation(text, None, (f"the address is refused whoever registers it: {refusal}",))
    service = services.match(url, today)
    if service is not None:
        return Explanation(text, service, ())
    reasons = {one.id: _nearest_miss(one, url, today) for one in services.by_id.values()}
    nearest = sorted(reasons, key=lambda name: len(reasons[name]))
    why = tuple(f"{name}: {'; '.join(reasons[name])}" for name in nearest)
    return Explanation(text, None, why or ("nothing is registered",))


def _nearest_miss(service: Service, url: ServiceUrl, today: date) -> list[str]:
    if service.has_expired(today) and service.rank(url) is not None:
        return [f"expired on {service.expires}"]
    return min((list(misses(rule, url)) for rule in service.url), key=len)


def misses(rule: UrlRule, url: ServiceUrl) -> Iterator[str]:
    """Yield every part of `url` that `rule` does not take."""
    if url.host != rule.host:
        yield f"host {url.host} is not {rule.host}"
    if url.scheme not in rule.schemes:
        yield f"scheme {url.scheme} is not {' or '.join(rule.schemes)}"
    port = rule.port or DEFAULT_PORTS[url.scheme]
    if rule.port != "*" and url.port != port:
        yield f"port {url.port} is not {port}"
    if rule.path is not None and url.path != rule.path:
        yield f"path {url.path} is not {rule.path}"
    if not rule.holds_path(url.path):
        yield f"path {url.path} is not below {rule.path_prefix}"
    for name, wanted in rule.query.items():
        given = [value for key, value in url.query if key == name]
        if given != [wanted]:
            yield f"parameter {name} is {' and '.join(given) or 'missing'}, not {wanted}"
    if url.has_fragment and not rule.fragments:
        yield "a fragment (#…) is not allowed"
