"""Registration files: one TOML file per application, read into frozen values.

The common fields stand at the top. The tables `[cas]` and `[oidc]` hold what one protocol needs.
A file without both tables is a CAS registration whose CAS fields also stand at the top.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from idp.applications.assurance import Assurance
from idp.applications.release import RELEASABLE, Principal
from idp.applications.urls import DEFAULT_PORTS, ApplicationUrl, as_ascii, parse_url
from idp.errors import ConfigError, InvalidServiceUrl
from idp.hosts import LOOPBACK

PORTAL_RETURN = "/login/return"

# Which of two matching rules wins: exact port before any port, exact path, then longer paths, then more parameters.
Rank = tuple[bool, bool, int, int]


class Table(BaseModel):
    """Base of the tables in a registration file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UrlRule(Table):
    """Where an application may be returned to. `path` is one exact path, `path_prefix` a folder and all below it.

    There is no pattern over a whole URL: every part is compared with the parsed URL.
    """

    schemes: Annotated[tuple[Literal["http", "https"], ...], Field(min_length=1)] = ("https",)
    host: str
    port: int | Literal["*"] | None = None  # None: the scheme's own
    path: str | None = None
    path_prefix: str | None = None
    query: Mapping[str, str] = {}
    fragments: bool = True  # false: an address with a #fragment does not match

    @field_validator("path", "path_prefix")
    @classmethod
    def _in_ascii(cls, path: str | None) -> str | None:
        return None if path is None else as_ascii(path)

    @model_validator(mode="after")
    def _has_one_reading(self) -> Self:
        if self.host != self.host.lower() or not re.fullmatch(r"[a-z0-9][a-z0-9.-]*|[0-9a-f:.]+", self.host, re.ASCII):
            raise ValueError("host: a plain host name in lower case, without wildcards")
        if self.port == "*" and self.host not in LOOPBACK:
            raise ValueError('port: "*" is for loopback hosts only')
        if (self.path is None) == (self.path_prefix is None):
            raise ValueError("give either path (exact) or path_prefix")
        if not (self.path or self.path_prefix or "").startswith("/"):
            raise ValueError("a path begins with a slash")
        return self

    def __str__(self) -> str:
        """Return the rule as people read it: `https://fees.po.edu.pl/app and below`."""
        port = "" if self.port is None else f":{self.port}"
        where = f"{self.path_prefix} and below" if self.path is None else self.path
        query = "".join(f", {name}={value}" for name, value in self.query.items())
        return f"{'|'.join(self.schemes)}://{self.host}{port}{where}{query}"

    def rank(self, url: ApplicationUrl) -> Rank | None:
        """Return how exactly this rule describes `url`, or None when it does not match."""
        if url.scheme not in self.schemes or url.host != self.host or (url.has_fragment and not self.fragments):
            return None
        if self.port != "*" and url.port != (self.port or DEFAULT_PORTS[url.scheme]):
            return None
        if self.path is not None and url.path != self.path:
            return None
        if not self.holds_path(url.path):
            return None
        # Exactly once: of two values nobody knows which one the application reads.
        if any(_named_like(url, name) != [(name, value)] for name, value in self.query.items()):
            return None
        return self.port != "*", self.path is not None, len(self.path or self.path_prefix or ""), len(self.query)

    def holds_path(self, path: str) -> bool:
        """Tell whether a path is the prefix or below it; a rule without a prefix leaves that to `path`."""
        return self.path_prefix is None or _is_below(path, self.path_prefix)


def _is_below(path: str, prefix: str) -> bool:
    """`/app` holds `/app` and `/app/x`, and not `/application`."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")


def _named_like(url: ApplicationUrl, name: str) -> list[tuple[str, str]]:
    """Return what PHP may read under a name: the last of `a_b`, `a.b`, ` a_b`, `a[b` and `a_b[]`."""
    return [(key, value) for key, value in url.query if _php_names(name) & _php_names(key)]


def _php_names(name: str) -> set[str]:
    """Return what PHP may make of a name: `[` begins an index, or is an underscore where nothing closes it."""
    plain = name.lstrip(" ").replace(".", "_").replace(" ", "_")
    return {plain.partition("[")[0], plain.replace("[", "_", 1)}


class ProxyRule(Table):
    """Whether the application may act for its users towards others."""

    allowed: bool = False
    http_on_loopback: bool = False  # callbacks over plain http, on this machine only
    callbacks: tuple[UrlRule, ...] = ()  # where callbacks may go beside the application's own addresses


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
                parse_url(to)
            except InvalidServiceUrl as exc:
                raise ValueError(f'"service", "none" or one fixed http or https address: {exc}') from exc
        return to

    @property
    def is_told(self) -> bool:
        return self.to != "none"


class CasTable(Table):
    """`[cas]`: what the CAS protocol needs. Without any `url` the application does not speak CAS."""

    url: tuple[UrlRule, ...] = ()
    principal: Principal = Principal.UID
    attributes_in_cas2: bool = False  # /serviceValidate and /proxyValidate release attributes, too
    proxy: ProxyRule = ProxyRule()
    logout: LogoutRule = LogoutRule()

    def rank(self, url: ApplicationUrl) -> Rank | None:
        """Return how exactly the best of the rules describes `url`."""
        ranks = [rank for rule in self.url if (rank := rule.rank(url)) is not None]
        return max(ranks, default=None)

    def logout_address(self, service_url: str) -> str | None:
        """Return where a logout is sent for a ticket that was issued for `service_url`."""
        if not self.logout.is_told:
            return None
        return as_ascii(service_url) if self.logout.to == "service" else as_ascii(self.logout.to)

    def may_call_back(self, url: ApplicationUrl) -> bool:
        """Tell whether a proxy callback may go to `url`."""
        if not self.proxy.allowed or all(rule.rank(url) is None for rule in (*self.url, *self.proxy.callbacks)):
            return False
        return url.scheme == "https" or (self.proxy.http_on_loopback and is_loopback(url.host))


class OidcTable(Table):
    """`[oidc]`: what OpenID Connect needs. Nothing serves it yet; `idp applications lint` says so."""

    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("redirect_uris")
    @classmethod
    def _are_addresses(cls, redirect_uris: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(uri) for uri in redirect_uris)


def _address(text: str) -> str:
    try:
        return parse_url(text).text
    except InvalidServiceUrl as exc:
        raise ValueError(f"one fixed http or https address: {exc}") from exc


# Fields of `[cas]` that may stand at the top of a file without tables.
_CAS_FIELDS = frozenset(CasTable.model_fields)


class Application(Table):
    """One registered application."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Mapping[Literal["pl", "en"], str]
    owner: Annotated[str, Field(min_length=1)]
    contact: str = ""  # whom people turn to when they are refused; shown on refusals
    links: Mapping[Literal["home", "help", "privacy"], str] = {}
    required_assurance: Assurance = Assurance.PASSWORD
    attributes: tuple[str, ...] = ()  # released beside the principal
    expires: date | None = None
    cas: CasTable = CasTable()
    oidc: OidcTable | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_tables(cls, given: Any) -> Any:
        """Move the CAS fields of a file without tables into `[cas]`."""
        if not isinstance(given, Mapping) or has_tables(given):
            return given
        common = {name: value for name, value in given.items() if name not in _CAS_FIELDS | {"second_factor"}}
        match given.get("second_factor", "not_demanded"):
            case "demanded":
                common["required_assurance"] = Assurance.SECOND_FACTOR
            case "not_demanded":
                pass
            case _:
                raise ValueError('second_factor: "demanded" or "not_demanded"')
        return common | {"cas": {name: given[name] for name in _CAS_FIELDS & given.keys()}}

    @field_validator("links")
    @classmethod
    def _are_addresses(cls, links: Mapping[str, str]) -> Mapping[str, str]:
        return {name: _address(link) for name, link in links.items()}

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if set(self.name) != {"pl", "en"}:
            raise ValueError("name: in Polish and in English (pl, en)")
        if unknown := sorted(set(self.attributes) - RELEASABLE):
            raise ValueError(f"attributes: {', '.join(unknown)} cannot be released")
        if not self.cas.url and (self.oidc is None or "cas" in self.model_fields_set):
            raise ValueError("url: at least one address")
        return self

    def has_expired(self, today: date) -> bool:
        """Tell whether the application is not served any more."""
        return self.expires is not None and self.expires <= today


def has_tables(given: Mapping[str, Any]) -> bool:
    """Tell whether a registration keeps what protocols need in tables of their own."""
    return "cas" in given or "oidc" in given


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    if host in LOOPBACK:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def estudent(base_url: str) -> Application:
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
    cas = CasTable(url=(rule,), logout=LogoutRule(to="none"))
    return Application(id="estudent", name=name, owner="idp", cas=cas)


def application_files(folders: Iterable[Path]) -> list[Path]:
    """Return the registration files in `folders`, sorted; a folder that is not there holds none."""
    return [file for folder in folders for file in sorted(folder.glob("*.toml"))]


def read_applications(files: Iterable[Path]) -> list[Application]:
    """Return the applications in registration files.

    Raises:  ConfigError naming every bad file and what is wrong in it
    """
    applications: list[Application] = []
    mistakes: list[str] = []
    for file in files:
        given: dict[str, Any] = {}
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
            applications.append(Application.model_validate(given))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            mistakes.append(f"{file.name}: {exc}")
        except ValidationError as exc:
            mistakes += [f"{file.name}: {_sentence(mistake, given)}" for mistake in exc.errors(include_url=False)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return applications


def _sentence(mistake: Any, given: Mapping[str, Any]) -> str:
    parts = [str(part) for part in mistake["loc"]]
    where = ".".join(parts if has_tables(given) else [part for part in parts if part != "cas"])
    return f"{where}: {mistake['msg']}" if where else str(mistake["msg"])
