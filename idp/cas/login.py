"""What /login is asked for, and what it does next. Rules over values; the pages are in views.py and idp.sso.

Source:  CAS Protocol 3.0.3, sections 2.1 and 2.2
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from idp.applications.files import Application
from idp.cas.urls import SAML_TICKET, TICKET
from idp.errors import InvalidInput
from idp.sso.session_queries import LiveSession
from idp.sso.steps import Step, due_step

# Parameters with a meaning; of two values nobody knows which one counts. All others are ignored.
PROTOCOL = ("service", "TARGET", "renew", "gateway", "warn", "method", "rememberMe", "lt")


class RepeatedParameter(InvalidInput):
    """A protocol parameter that came twice, with two values."""

    code = "repeated_parameter"


class Method(StrEnum):
    """How the ticket travels to the application."""

    GET = "GET"
    POST = "POST"
    HEADER = "HEADER"


_METHODS = frozenset(Method)


class Next(Enum):
    """What the browser gets."""

    FORM = auto()
    SIGNED_IN_PAGE = auto()
    WARNING = auto()
    TICKET = auto()
    DENIAL = auto()
    BACK_WITHOUT_TICKET = auto()


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The parameters of a request to /login."""

    service_url: str = ""
    is_saml: bool = False  # the address came as TARGET, and its ticket goes back as SAMLart
    renew: bool = False
    gateway: bool = False
    warn: bool = False
    remember: bool = False
    method: Method = Method.GET
    login_ticket: str = ""

    @property
    def ticket_parameter(self) -> str:
        """The name under which the application expects its ticket."""
        return SAML_TICKET if self.is_saml else TICKET

    @property
    def carried(self) -> dict[str, str]:
        """What a form on the way carries on."""
        address = "TARGET" if self.is_saml else "service"
        wanted = {address: self.service_url, "renew": "true" if self.renew else ""}
        wanted["method"] = "" if self.method is Method.GET else self.method
        return {name: value for name, value in wanted.items() if value}


def read_request(*sources: Mapping[str, Sequence[str]]) -> LoginRequest:
    """Return the request in query and form together.

    Shape:   each source maps a name to all its values; a form on our own page repeats the query's values, which is fine
             TARGET stands for service where there is none: SAML filters of the Java client and Spring Security ask so
    Raises:  RepeatedParameter
    """
    given = {name: single(name, sources) for name in PROTOCOL}
    method = given["method"]
    return LoginRequest(
        service_url=given["service"] or given["TARGET"] or "",
        is_saml=not given["service"] and bool(given["TARGET"]),
        renew=is_set(given["renew"]),
        gateway=is_set(given["gateway"]),
        warn=is_set(given["warn"]),
        remember=is_set(given["rememberMe"]),
        method=Method(method) if method in _METHODS else Method.GET,
        login_ticket=given["lt"] or "",
    )


def single(name: str, sources: Iterable[Mapping[str, Sequence[str]]]) -> str | None:
    """Return the one value of a parameter, or None when it was not sent.

    Raises:  RepeatedParameter when one source has it twice, or two sources disagree
    """
    found: str | None = None
    for source in sources:
        here = source.get(name)
        if not here:
            continue
        if len(here) > 1 or (found is not None and found != here[0]):
            raise RepeatedParameter(name)
        found = here[0]
    return found


def is_set(value: str | None) -> bool:
    """Tell whether "this parameter is set"; `false` says in words that it is not."""
    return value is not None and value.lower() != "false"


def what_is_next(request: LoginRequest, application: Application | None, session: LiveSession | None) -> Next:
    """Return what follows from a request without an answer to a form. `renew` wins over `gateway`."""
    if application is None:
        return Next.FORM if session is None or request.renew else Next.SIGNED_IN_PAGE
    match due_step(
        None if session is None else session.assurance,
        application.required_assurance,
        asks_again=request.renew,
        warns=session is not None and session.warns,
        is_confirmed=False,
    ):
        case Step.CREDENTIALS:
            return Next.BACK_WITHOUT_TICKET if request.gateway and not request.renew else Next.FORM
        case Step.SECOND_FACTOR:
            return Next.DENIAL
        case Step.WARNING:
            return Next.WARNING
        case Step.DONE:
            return Next.TICKET
