"""Explain which rule an address matches, or what differs from the nearest rules. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from idp.applications.files import Application, UrlRule
from idp.applications.matching import Applications
from idp.applications.urls import DEFAULT_PORTS, ApplicationUrl, parse_url
from idp.errors import InvalidServiceUrl


@dataclass(frozen=True, slots=True)
class Explanation:
    """The match of an address, or the nearest misses."""

    address: str
    application: Application | None
    rule: UrlRule | None  # that matched
    why: tuple[str, ...]  # empty when an application matched; else the nearest misses first


def explain(applications: Applications, text: str, today: date) -> Explanation:
    """Return the application and the URL rule that an address belongs to, or why it belongs to none."""
    try:
        url = parse_url(text)
    except InvalidServiceUrl as refusal:
        return Explanation(text, None, None, (f"the address is refused whoever registers it: {refusal}",))
    application = applications.match(url, today)
    if application is not None:
        return Explanation(text, application, _matching_rule(application, url), ())
    if any(one.cas.rank(url) is not None and not one.has_expired(today) for one in applications.by_id.values()):
        return Explanation(text, None, None, ("with a slash for %2F the path belongs to another application",))
    reasons = {one.id: _nearest_miss(one, url, today) for one in applications.by_id.values() if one.cas.url}
    nearest = sorted(reasons, key=lambda name: len(reasons[name]))
    why = tuple(f"{name}: {'; '.join(reasons[name])}" for name in nearest)
    return Explanation(text, None, None, why or ("nothing is registered",))


def _matching_rule(application: Application, url: ApplicationUrl) -> UrlRule:
    ranked = [(rank, rule) for rule in application.cas.url if (rank := rule.rank(url)) is not None]
    return max(ranked, key=lambda pair: pair[0])[1]


def _nearest_miss(application: Application, url: ApplicationUrl, today: date) -> list[str]:
    if application.has_expired(today) and application.cas.rank(url) is not None:
        return [f"expired on {application.expires}"]
    return min((list(misses(rule, url)) for rule in application.cas.url), key=len)


def misses(rule: UrlRule, url: ApplicationUrl) -> Iterator[str]:
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
    for name, value in rule.query.items():
        given = [text for key, text in url.query if key == name]
        if given != [value]:
            yield f"parameter {name} is {' and '.join(given) or 'missing'}, not {value}"
    if url.has_fragment and not rule.fragments:
        yield "a fragment (#…) is not allowed"
