"""The endpoints that applications call: /validate, /serviceValidate, /proxyValidate, /p3/…, /proxy, /samlValidate.

No cookie is read or set. idp.cas.wsgi_fast_path answers most of these before they come here.
"""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from idp.audit.events import new_id
from idp.cas import saml
from idp.cas.answers import Answer, Code, Failure
from idp.cas.login import RepeatedParameter, single
from idp.cas.tickets import Question, TicketService
from idp.cas.validation import ENDPOINTS, Endpoint, Sources, proxy, validate

log = structlog.get_logger(__name__)


def add_validation_views(cas: Blueprint, service: TicketService, issuer: str) -> None:
    """Add the endpoints to the CAS blueprint; `issuer` signs the answers of SAML."""
    for endpoint in ENDPOINTS:
        name = endpoint.path.strip("/").replace("/", "_")
        cas.add_url_rule(endpoint.path, name, _validator(service, endpoint), methods=["GET", "POST"])
    cas.add_url_rule("/proxy", "proxy", lambda: _respond(*proxy(service, _sources())), methods=["GET", "POST"])
    cas.add_url_rule("/samlValidate", "saml_validate", lambda: _validate_saml(service, issuer), methods=["POST"])


def _validator(service: TicketService, endpoint: Endpoint) -> Callable[[], Response]:
    return lambda: _respond(*validate(service, endpoint, _sources()))


def _validate_saml(service: TicketService, issuer: str) -> Response:
    """SAML 1.1: the ticket in a SOAP body, the service in TARGET."""
    request_id, service_url = "", ""
    try:
        service_url = single("TARGET", [request.args.to_dict(flat=False)]) or ""
        if not service_url:
            raise saml.InvalidSaml("TARGET is required")
        asked = saml.read_question(request.get_data(cache=False))
        request_id = asked.request_id
        # "SAML attributes MUST NOT be released to a non-SSL site" (4.2.1).
        is_plain = not service_url.lower().startswith("https:")
        question = Question(asked.ticket, service_url, wants_attributes=True, withholds_attributes=is_plain)
        answer: Answer = service.validate(question)
    except RepeatedParameter:
        answer = Failure(Code.INVALID_REQUEST, "TARGET was sent more than once.")
    except saml.InvalidSaml as error:
        answer = Failure(Code.INVALID_REQUEST, f"The request was not understood: {error}.")
    except HTTPException:
        raise  # the request is too large or was cut off: no fault of ours
    except Exception:
        log.exception("validation failed")
        answer = Failure(Code.INTERNAL_ERROR, "The ticket could not be validated.")
    head = saml.Letterhead(issuer, service_url, request_id, new_id(), new_id(), service.clock.now())
    return _respond(saml.render(answer, head), saml.XML_TYPE)


def _sources() -> Sources:
    return request.args.to_dict(flat=False), request.form.to_dict(flat=False)


def _respond(body: bytes, content_type: str) -> Response:
    return Response(body, 200, content_type=content_type)
