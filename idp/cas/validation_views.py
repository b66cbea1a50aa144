"""The endpoints that applications call: /validate, /serviceValidate, /proxyValidate, /p3/…, /proxy, /samlValidate.

Every answer has status 200: clients read the body and give up on anything else. No cookie is read or set.
Source:  CAS Protocol 3.0.3, sections 2.4 to 2.9
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, request

from idp.audit.events import new_id
from idp.cas import saml
from idp.cas.answers import TEXT_TYPE, Answer, Code, Failure, Format, ProxyFailure, as_text, render
from idp.cas.login import RepeatedParameter, is_set, single
from idp.cas.tickets import Question, TicketDesk

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one of the validation endpoints accepts and tells."""

    path: str
    takes_proxy_tickets: bool = False
    wants_attributes: bool = False


CAS_1 = Endpoint("/validate")
ENDPOINTS = (
    Endpoint("/serviceValidate"),
    Endpoint("/proxyValidate", takes_proxy_tickets=True),
    Endpoint("/p3/serviceValidate", wants_attributes=True),
    Endpoint("/p3/proxyValidate", takes_proxy_tickets=True, wants_attributes=True),
)


class BadQuestion(Exception):
    """Parameters that are missing, repeated or of an unknown kind. The text says which, never what was sent."""


def add_validation_views(cas: Blueprint, desk: TicketDesk) -> None:
    """Add the endpoints to the CAS blueprint."""
    for endpoint in ENDPOINTS:
        name = endpoint.path.strip("/").replace("/", "_")
        cas.add_url_rule(endpoint.path, name, _validator(desk, endpoint), methods=["GET", "POST"])
    cas.add_url_rule(CAS_1.path, "validate", lambda: _validate_1(desk), methods=["GET", "POST"])
    cas.add_url_rule("/proxy", "proxy", lambda: _proxy(desk), methods=["GET", "POST"])
    cas.add_url_rule("/samlValidate", "saml_validate", lambda: _validate_saml(desk), methods=["POST"])


def _validator(desk: TicketDesk, endpoint: Endpoint) -> Callable[[], Response]:
    def view() -> Response:
        form = Format.XML
        try:
            form = _format()
            answer: Answer = desk.validate(_question(endpoint))
        except BadQuestion as error:
            answer = Failure(Code.INVALID_REQUEST, str(error))
        except Exception:
            log.exception("validation failed")
            answer = Failure(Code.INTERNAL_ERROR, "The ticket could not be validated.")
        return _respond(*render(answer, form))

    return view


def _validate_1(desk: TicketDesk) -> Response:
    try:
        answer: Answer = desk.validate(_question(CAS_1))
    except BadQuestion as error:
        answer = Failure(Code.INVALID_REQUEST, str(error))
    except Exception:
        log.exception("validation failed")
        answer = Failure(Code.INTERNAL_ERROR, "The ticket could not be validated.")
    return _respond(as_text(answer), TEXT_TYPE)


def _validate_saml(desk: TicketDesk) -> Response:
    """SAML 1.1: the ticket in a SOAP body, the service in TARGET."""
    request_id, service_url = "", ""
    try:
        service_url = single("TARGET", [request.args.to_dict(flat=False)]) or ""
        if not service_url:
            raise BadQuestion("TARGET is required.")
        asked = saml.read_question(request.get_data(cache=False))
        request_id = asked.request_id
        answer: Answer = desk.validate(Question(asked.ticket, service_url, wants_attributes=True))
    except BadQuestion as error:
        answer = Failure(Code.INVALID_REQUEST, str(error))
    except RepeatedParameter:
        answer = Failure(Code.INVALID_REQUEST, "TARGET was sent more than once.")
    except saml.InvalidSaml as error:
        answer = Failure(Code.INVALID_REQUEST, f"The request was not understood: {error}.")
    except Exception:
        log.exception("validation failed")
        answer = Failure(Code.INTERNAL_ERROR, "The ticket could not be validated.")
    issuer = urlsplit(request.host_url).hostname or "idp"
    head = saml.Letterhead(issuer, service_url, request_id, new_id(), new_id(), desk.clock.now())
    return _respond(saml.render(answer, head), saml.XML_TYPE)


def _proxy(desk: TicketDesk) -> Response:
    form = Format.XML
    try:
        form = _format()
        answer: Answer = desk.proxy(_required("pgt"), _required("targetService"))
    except BadQuestion as error:
        answer = ProxyFailure(Code.INVALID_REQUEST, str(error))
    except Exception:
        log.exception("proxy ticket not issued")
        answer = ProxyFailure(Code.INTERNAL_ERROR, "The proxy ticket could not be issued.")
    return _respond(*render(answer, form))


def _question(endpoint: Endpoint) -> Question:
    return Question(
        ticket=_required("ticket"),
        service_url=_required("service"),
        renew=is_set(_optional("renew")),
        pgt_url=(_optional("pgtUrl") or "") if endpoint is not CAS_1 else "",
        takes_proxy_tickets=endpoint.takes_proxy_tickets,
        wants_attributes=endpoint.wants_attributes,
    )


def _format() -> Format:
    wanted = (_optional("format") or Format.XML).upper()
    if wanted not in set(Format):
        raise BadQuestion("format is XML or JSON.")
    return Format(wanted)


def _required(name: str) -> str:
    value = _optional(name)
    if not value:
        raise BadQuestion(f"{name} is required.")
    return value


def _optional(name: str) -> str | None:
    try:
        return single(name, (request.args.to_dict(flat=False), request.form.to_dict(flat=False)))
    except RepeatedParameter as exc:
        raise BadQuestion(f"{name} was sent more than once.") from exc


def _respond(body: bytes, content_type: str) -> Response:
    return Response(body, 200, content_type=content_type)
