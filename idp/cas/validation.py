"""What the validation endpoints answer, whatever server asked: parameters in, body and content type out.

Every answer has status 200: clients read the body and give up on anything else.
Source:  CAS Protocol 3.0.3, sections 2.4 to 2.9
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from idp.cas.answers import TEXT_TYPE, Answer, Code, Failure, Format, ProxyFailure, as_text, render
from idp.cas.login import RepeatedParameter, is_set, single
from idp.cas.tickets import Question, TicketService

log = structlog.get_logger(__name__)

Sources = Sequence[Mapping[str, Sequence[str]]]  # the query, and the form of a POST


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one of the validation endpoints accepts and tells."""

    path: str
    takes_proxy_tickets: bool = False
    wants_attributes: bool = False


_FORMATS = frozenset(Format)
CAS_1 = Endpoint("/validate")
ENDPOINTS = (
    CAS_1,
    Endpoint("/serviceValidate"),
    Endpoint("/proxyValidate", takes_proxy_tickets=True),
    Endpoint("/p3/serviceValidate", wants_attributes=True),
    Endpoint("/p3/proxyValidate", takes_proxy_tickets=True, wants_attributes=True),
)


class BadQuestion(Exception):
    """Parameters that are missing, repeated or of an unknown kind. The text says which, never what was sent."""


def validate(service: TicketService, endpoint: Endpoint, sources: Sources) -> tuple[bytes, str]:
    """Return what an endpoint answers. Effect: as `TicketService.validate`"""
    form = Format.XML
    try:
        if endpoint is not CAS_1:
            form = _format(sources)
        answer: Answer = service.validate(_question(endpoint, sources))
    except BadQuestion as error:
        answer = Failure(Code.INVALID_REQUEST, str(error))
    except Exception:
        log.exception("validation failed")
        answer = Failure(Code.INTERNAL_ERROR, "The ticket could not be validated.")
    return (as_text(answer), TEXT_TYPE) if endpoint is CAS_1 else render(answer, form)


def proxy(service: TicketService, sources: Sources) -> tuple[bytes, str]:
    """Return what /proxy answers. Effect: as `TicketService.proxy`"""
    form = Format.XML
    try:
        form = _format(sources)
        answer: Answer = service.proxy(_required("pgt", sources), _required("targetService", sources))
    except BadQuestion as error:
        answer = ProxyFailure(Code.INVALID_REQUEST, str(error))
    except Exception:
        log.exception("proxy ticket not issued")
        answer = ProxyFailure(Code.INTERNAL_ERROR, "The proxy ticket could not be issued.")
    return render(answer, form)


def _question(endpoint: Endpoint, sources: Sources) -> Question:
    return Question(
        ticket=_required("ticket", sources),
        service_url=_required("service", sources),
        renew=is_set(_optional("renew", sources)),
        pgt_url=(_optional("pgtUrl", sources) or "") if endpoint is not CAS_1 else "",
        takes_proxy_tickets=endpoint.takes_proxy_tickets,
        wants_attributes=endpoint.wants_attributes,
    )


def _format(sources: Sources) -> Format:
    wanted = (_optional("format", sources) or Format.XML).upper()
    if wanted not in _FORMATS:
        raise BadQuestion("format is XML or JSON.")
    return Format(wanted)


def _required(name: str, sources: Sources) -> str:
    value = _optional(name, sources)
    if not value:
        raise BadQuestion(f"{name} is required.")
    return value


def _optional(name: str, sources: Sources) -> str | None:
    try:
        return single(name, sources)
    except RepeatedParameter as exc:
        raise BadQuestion(f"{name} was sent more than once.") from exc
