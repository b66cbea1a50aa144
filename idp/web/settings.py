"""`[web]` and `[university]`: the web server, and the university on its pages."""

from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from idp.settings import Section

LANGUAGES = ("pl", "en")
"""Languages of pages and letters."""


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http"):
        raise ValueError("begins neither with https:// nor with http://")
    if not parts.hostname:
        raise ValueError("names no host")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment; write the address without it")
    if url.endswith("/"):
        raise ValueError("ends with a slash; write it without")
    return url


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no time zone has this name; write one like Europe/Warsaw") from None
    return name


def _in_each_language(texts: dict[str, str]) -> dict[str, str]:
    if missing := [language for language in LANGUAGES if not texts.get(language, "").strip()]:
        raise ValueError(f"has no text for {', '.join(missing)}")
    return texts


Texts = Annotated[dict[str, str], AfterValidator(_in_each_language)]
"""A text in each language."""


class WebSettings(Section):
    """`[web]`: the server of the pages."""

    base_url: Annotated[
        str,
        "Address that browsers use, without a slash at the end. Links in letters start with it.",
        AfterValidator(_base_url),
    ] = "http://127.0.0.1:8080"
    trusted_hosts: Annotated[
        list[str],
        "Further host names, with their port unless it is the usual one, at which the pages may be asked: for"
        " applications that validate tickets by an internal name. The host of `base_url` always may.",
    ] = []
    host: Annotated[str, "Address to listen on."] = "127.0.0.1"
    port: Annotated[int, "Port to listen on.", Field(ge=1, le=65535)] = 8080
    workers: Annotated[int, "Web processes.", Field(ge=1)] = 2
    blocking_threads: Annotated[
        int,
        "Threads of each web process; more than sso.parallel_checks and sso.waiting_checks together, so that sign-ins"
        " that wait leave some for those who are signed in.",
        Field(ge=1),
    ] = 32
    log_format: Annotated[
        str,
        "Log lines as `json`, for people as `console`, or `auto`: console on a terminal.",
        Field(pattern="^(auto|json|console)$"),
    ] = "auto"
    trusted_proxies: Annotated[
        int, "Reverse proxies in front whose X-Forwarded-* headers are believed.", Field(ge=0)
    ] = 0

    security_contact: Annotated[
        str,
        "Where to report a weakness: an address that begins with `mailto:` or `https:`, told in"
        " /.well-known/security.txt (RFC 9116). Empty: there is no such file.",
        Field(pattern=r"^((mailto:|https:)\S+)?$"),
    ] = ""
    hsts: Annotated[
        str,
        "Strict-Transport-Security of answers over https; add `; includeSubDomains` only when every name below the"
        " service's own is https, too. Empty sends none.",
        Field(pattern=r"^(max-age=\d+(; includeSubDomains)?(; preload)?)?$"),
    ] = "max-age=31536000"

    @property
    def own_hosts(self) -> frozenset[str]:
        """Values of `Host` that name this service, in lower case and without the usual port of its scheme."""
        usual_port = ":443" if self.is_https else ":80"
        hosts = (urlsplit(self.base_url).netloc, *self.trusted_hosts)
        return frozenset(host.lower().removesuffix(usual_port) for host in hosts)

    @property
    def is_https(self) -> bool:
        """Cookies get `Secure` and the `__Host-` prefix when browsers come by https."""
        return self.base_url.startswith("https://")


class UniversitySettings(Section):
    """`[university]`: names, colours and addresses on pages and in letters."""

    name: Annotated[Texts, "The university's name in each language."] = {
        "pl": "Politechnika Opolska",
        "en": "Opole University of Technology",
    }
    short_name: Annotated[str, "Short name, shown beside the logo."] = "PO"
    home_page: Annotated[str, "The university's own site."] = "https://po.edu.pl"
    accent_colour: Annotated[str, "Main colour of the pages (CSS hex).", Field(pattern=r"^#[0-9a-fA-F]{6}$")] = (
        "#00539b"
    )
    default_language: Annotated[str, "Language when the browser asks for none of ours.", Field(pattern="^(pl|en)$")] = (
        "pl"
    )
    time_zone: Annotated[str, "Time zone of dates on pages and of the noon sync.", AfterValidator(_time_zone)] = (
        "Europe/Warsaw"
    )
    service_center_name: Annotated[Texts, "The Student Service Center in each language."] = {
        "pl": "Centrum Obsługi Studenta",
        "en": "Student Service Center",
    }
    service_center_url: Annotated[str, "Page with the Student Service Center's contact details."] = (
        "https://www.cos.po.opole.pl"
    )
    sync_hour: Annotated[int, "Hour of the daily sync, after which corrected data count.", Field(ge=0, le=23)] = 12
