"""Registered services: which applications may ask for tickets, and what they learn. Read from TOML, matched as values.

There is no pattern over a whole URL: a rule names scheme, host, port, path and fixed query parameters, each compared
with the parsed URL. Of several services that match, the most exactly described one wins.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from idp.cas.attributes import RELEASABLE, Principal
from idp.cas.urls import ServiceUrl, parse_service_url
from idp.errors import ConfigError, InvalidServiceUrl

PORTAL_RETURN = "/login/return"
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}

# What a service of a given rule outranks: exact port before any port, then longer paths, then more parameters.
Rank = tuple[bool, bool, int, int]


class Table(BaseModel):
    """Base of the tables in a registration file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UrlRule(Table):
    """Where an application may be returned to. `path` is one exact path, `path_prefix` a folder and all below it."""

    schemes: Annotated[tuple[Literal["http", "https"], ...], Field(min_length=1)] = ("https",)
    host: str
    port: int | Literal["*"] | None = None  # None: the scheme's own
    path: str | None = None
    path_prefix: str | None = None
    query: Mapping[str, str] = {}
    fragments: bool = False

    @model_validator(mode="after")
    def _has_one_reading(self) -> Self:
        if self.host != self.host.lower() or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*|[0-9a-f:.]+", self.host, re.ASCII):
            raise ValueError("host: a plain host name in lower case, without wildcards")
        if self.port == "*" and self.host not in LOOPBACK_NAMES:
            raise ValueError('port: "*" is for loopback hosts only')
        if (self.path is None) == (self.path_prefix is None):
            raise ValueError("give either path (exact) or path_prefix")
        if not (self.path or self.path_prefix or "").startswith("/"):
            raise ValueError("a path begins with a slash")
        return self

    def rank(self, url: ServiceUrl) -> Rank | None:
        """Return how exactly this rule describes `url`, or None when it does not match."""
        if url.scheme not in self.schemes or url.host != self.host or (url.has_fragment and not self.fragments):
            return None
        if self.port != "*" and url.port != (self.port or {"http": 80, "https": 443}[url.scheme]):
            return None
        if self.path is not None and url.path != self.path:
            return None
        if not self.holds_path(url.path):
            return None
        # Exactly once: of two values nobody knows which one the application reads.
        if any(_named_like(url, wanted) != [(wanted, text)] for wanted, text in self.query.items()):
            return None
        return self.port != "*", self.path is not None, len(self.path or self.path_prefix or ""), len(self.query)

    def holds_path(self, path: str) -> bool:
        """Tell whether a path is the prefix or below it; a rule without one leaves that to `path`."""
        return self.path_prefix is None or _is_below(path, self.path_prefix)


def _is_below(path: str, prefix: str) -> bool:
    """`/app` holds `/app` and `/app/x`, and not `/application`."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")


def _named_like(url: ServiceUrl, wanted: str) -> list[tuple[str, str]]:
    """Return what PHP may read under a name: the last of `a_b`, `a.b`, ` a_b`, `a[b` and `a_b[]`."""
    return [(name, value) for name, value in url.query if _php_names(wanted) & _php_names(name)]


def _php_names(name: str) -> set[str]:
    """Return what PHP may make of a name: `[` begins an index, or is an underscore where nothing closes it."""
    plain = name.lstrip(" ").replace(".", "_").replace(" ", "_")
    return {plain.partition("[")[0], plain.replace("[", "_", 1)}


class ProxyRule(Table):
    """Whether the application may act for its users towards others."""

    allowed: bool = False
    http_on_loopback: bool = False  # callbacks over plain http, on this machine only
    callbacks: tuple[UrlRule, ...] = ()  # where callbacks may go beside the service's own addresses


class LogoutRule(Table):
    """How the application hears that a session ended."""

    to: str = "service"  # the address that took the ticket; "none"; or one fixed http(s) address
    body: Literal["form", "raw"] = "form"
    redirect_confirms: bool = False  # mod_auth_cas and django-cas-ng end the session and answer by a redirect

    @field_validator("to")
    @classmethod
    def _leads_somewhere(cls, to: str) -> str:
        if to not in ("service", "none"):
            try:
                parse_service_url(to)
            except InvalidServiceUrl as exc:
                raise ValueError(f'"service", "none" or one fixed http or https address: {exc}') from exc
        return to

    @property
    def is_told(self) -> bool:
        return self.to != "none"


class Service(Table):
    """One registered application."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Mapping[Literal["pl", "en"], str]
    owner: Annotated[str, Field(min_length=1)]
    contact: str = ""  # whom people turn to when they are refused; shown on refusals
    url: Annotated[tuple[UrlRule, ...], Field(min_length=1)]
    principal: Principal = Principal.UID
    attributes: tuple[str, ...] = ()
    proxy: ProxyRule = ProxyRule()
    attributes_in_cas2: bool = False  # also told by /serviceValidate and /proxyValidate, as the reference server does
    logout: LogoutRule = LogoutRule()
    second_factor: Literal["not_demanded", "demanded"] = "not_demanded"
    expires: date | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if set(self.name) != {"pl", "en"}:
            raise ValueError("name: in Polish and in English (pl, en)")
        if unknown := sorted(set(self.attributes) - RELEASABLE):
            raise ValueError(f"attributes: {', '.join(unknown)} cannot be released")
        return self

    @property
    def demands_second_factor(self) -> bool:
        """Nobody has one yet, so for now nobody gets a ticket for such a service."""
        return self.second_factor == "demanded"

    def has_expired(self, today: date) -> bool:
        """Tell whether the service is not served any more."""
        return self.expires is not None and self.expires <= today

    def rank(self, url: ServiceUrl) -> Rank | None:
        """Return how exactly the best of its rules describes `url`."""
        ranks = [rank for rule in self.url if (rank := rule.rank(url)) is not None]
        return max(ranks, default=None)

    def logout_address(self, service_url: str) -> str | None:
        """Return where a logout is sent for a ticket that was issued for `service_url`."""
        if not self.logout.is_told:
            return None
        return service_url if self.logout.to == "service" else self.logout.to

    def may_call_back(self, url: ServiceUrl) -> bool:
        """Tell whether a proxy callback may go to `url`."""
        if not self.proxy.allowed or all(rule.rank(url) is None for rule in (*self.url, *self.proxy.callbacks)):
            return False
        return url.scheme == "https" or (self.proxy.http_on_loopback and is_loopback(url.host))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, eq=False)  # compared as what it is: `_best` keeps answers per set
class Services:
    """All registered services of one moment."""

    by_id: Mapping[str, Service] = field(default_factory=dict)

    @classmethod
    def of(cls, services: Iterable[Service]) -> "Services":
        """Return the set. Raises: ConfigError when two have one id."""
        by_id: dict[str, Service] = {}
        for service in services:
            if service.id in by_id:
                raise ConfigError(f"two services have the id {service.id}")
            by_id[service.id] = service
        return cls(by_id)

    def served(self, service_id: str, today: date) -> Service | None:
        """Return a service that is registered and has not expired."""
        service = self.by_id.get(service_id)
        return None if service is None or service.has_expired(today) else service

    def match(self, url: ServiceUrl, today: date) -> Service | None:
        """Return the service that describes `url` most exactly; one that has expired is not there any more."""
        return _best(self, url, today)


@lru_cache(maxsize=1024)
def _best(services: Services, url: ServiceUrl, today: date) -> Service | None:
    best: tuple[Rank, Service] | None = None
    for service in services.by_id.values():
        if service.has_expired(today):
            continue
        rank = service.rank(url)
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, service)
    return None if best is None else best[1]


def estudent(base_url: str) -> Service:
    """Return the built-in registration of eStudent, which takes its tickets in this process.

    Its session is the sign-on session itself, so nobody has to tell it of the end.
    """
    home = urlsplit(base_url)
    rule = UrlRule(
        schemes=("https",) if home.scheme == "https" else ("http",),
        host=home.hostname or "",
        port=home.port,
        path=f"{home.path.rstrip('/')}{PORTAL_RETURN}",
    )
    name: dict[Literal["pl", "en"], str] = {"pl": "eStudent", "en": "eStudent"}
    return Service(id="estudent", name=name, owner="idp", url=(rule,), logout=LogoutRule(to="none"))


def read_services(files: Iterable[Path]) -> list[Service]:
    """Return the services in registration files.

    Raises:  ConfigError naming every bad file and what is wrong in it
    """
    services: list[Service] = []
    mistakes: list[str] = []
    for file in files:
        try:
            services.append(Service.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            mistakes.append(f"{file.name}: {exc}")
        except ValidationError as exc:
            mistakes.extend(f"{file.name}: {_sentence(mistake)}" for mistake in exc.errors(include_url=False))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return services


def _sentence(mistake: object) -> str:
    assert isinstance(mistake, dict)
    where = ".".join(str(part) for part in mistake["loc"])
    return f"{where}: {mistake['msg']}" if where else str(mistake["msg"])
