"""Service and proxy tickets: issued for one session and one exact service, consumed once.

A ticket is taken by one atomic delete-and-return before anything else is looked at, so of any number of parallel
validations exactly one can succeed, and one that is refused has burnt it.
Source:  CAS Protocol 3.0.3, sections 2.4 to 2.9 and 3.1 to 3.4
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from idp.applications.files import Application
from idp.applications.registered import RegisteredApplications
from idp.applications.release import principal_of, released
from idp.applications.urls import ApplicationUrl, parse_url
from idp.audit import event_types
from idp.audit.event_queries import add_events
from idp.audit.events import Event, row
from idp.audit.sampler import EventSampler
from idp.cas import ticket_queries as store
from idp.cas.answers import Code, Failure, ProxyFailure, ProxyTicket, Success
from idp.cas.authentication import of_authentication
from idp.cas.settings import CasSettings
from idp.cas.ticket_queries import NewTicket, ProxyGranting, TakenTicket
from idp.cas.urls import same_service, with_parameters
from idp.clock import Clock
from idp.db.raw import Raw, RawStore
from idp.drivers import http
from idp.errors import InvalidServiceUrl, Refused, TargetError
from idp.keys.key_files import Keys
from idp.people.status import local_date
from idp.people.views import PersonValues, Values
from idp.sso.session_queries import LiveSession, Visited, add_visited
from idp.sso.tokens import long_token, short_token

SERVICE_TICKET, PROXY_TICKET = "ST", "PT"
UNKNOWN = "unknown"
MAX_CALLBACKS = 8  # at once, of the 32 threads of a web process: an application that never answers holds one for 3 s
SESSION_ENDED = "The sign-on session of the ticket has ended."
log = structlog.get_logger(__name__)

_OUR_FORM = re.compile(r"[SP]T-[A-Z2-7]{29}", re.ASCII)


class DenialReason(StrEnum):
    """Why a person who is signed in gets no ticket for an application; the reason of its event."""

    SECOND_FACTOR = "second_factor"
    NO_NAME = "no_name"


class TicketDenied(Refused):
    """No ticket was issued, and none will be until something changes."""

    code = "ticket.denied"


class CallsBack(Protocol):
    """Fetches a proxy callback; `idp.drivers.http.Outgoing`."""

    def get(self, url: str) -> http.Answer:
        """Raises: TargetError"""


@dataclass(frozen=True, slots=True)
class Question:
    """What an application asks about a ticket."""

    ticket: str
    service_url: str
    renew: bool = False
    pgt_url: str = ""
    takes_proxy_tickets: bool = False
    wants_attributes: bool = False
    withholds_attributes: bool = False  # those of the person; those of the sign-in are told


@dataclass(frozen=True, slots=True)
class _Good:
    """A ticket that passed every check, and what its application may know."""

    taken: TakenTicket
    account_id: str
    application: Application
    answer: Success


@dataclass(frozen=True, slots=True)
class TicketService:
    """Issues and consumes tickets."""

    raw_store: RawStore
    applications: RegisteredApplications
    settings: CasSettings
    people: PersonValues
    keys: Keys
    callbacks: CallsBack
    clock: Clock
    zone: ZoneInfo
    unknown_tickets: EventSampler = field(default_factory=EventSampler)
    callback_slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(MAX_CALLBACKS))

    # --- issuing ----------------------------------------------------------------------------------------------------

    def application_for(self, text: str) -> tuple[Application, ApplicationUrl]:
        """Return the registered application that `text` belongs to.

        Raises:  InvalidServiceUrl when the text is no plain URL, or nobody registered it
        """
        url = parse_url(text)
        application = self.applications.current().match(url, self._today())
        if application is None:
            raise InvalidServiceUrl("no registered application has this address")
        return application, url

    def denial_reason(self, application: Application, session: LiveSession) -> DenialReason | None:
        """Return why the person gets no ticket for this application, or None when nothing stands in the way."""
        if not session.assurance.satisfies(application.required_assurance):
            return DenialReason.SECOND_FACTOR
        return None if self._can_name(application, session) else DenialReason.NO_NAME

    def _can_name(self, application: Application, session: LiveSession) -> bool:
        """Tell whether the person has the name that the application knows people by."""
        if application.cas.principal.is_of_everybody:
            return True
        with self.raw_store.lend() as raw:
            values = self.people.of(raw, session.account_id, self._today())
        return values is not None and self._name(application, session.account_id, session.uid, values) is not None

    def issue(self, session: LiveSession, application: Application, service_url: str, *, from_new_login: bool) -> str:
        """Return a new service ticket for this session and this address.

        Raises:  TicketDenied when the application demands more than the session has shown
        Effect:  ticket.issued
        """
        if not session.assurance.satisfies(application.required_assurance):
            raise TicketDenied(DenialReason.SECOND_FACTOR)
        now = self.clock.timestamp()
        text = short_token("ST-")
        new = NewTicket(
            kind=SERVICE_TICKET,
            session_id=session.session_id,
            application_id=application.id,
            service_url=service_url,
            from_new_login=from_new_login,
            expires_at=now + self.settings.service_ticket_s,
        )
        self._add_ticket(text, new, session.account_id, now)
        return text

    def deny(self, session: LiveSession, application: Application, why: DenialReason) -> None:
        """Effect: ticket.denied"""
        data = {"application": application.id, "session": session.session_id}
        event = Event(event_types.TICKET_DENIED, session.account_id, session.account_id, why, data)
        with self.raw_store.lend() as raw:
            add_events(raw, [row(event, self.clock.timestamp())])

    def _add_ticket(self, text: str, new: NewTicket, account_id: str, now: float) -> None:
        data = {"application": new.application_id, "session": new.session_id, "ticket": new.kind}
        issued = row(Event(event_types.TICKET_ISSUED, account_id, account_id, data=data), now)
        with self.raw_store.lend() as raw:
            store.add_ticket(raw, text, new, issued)

    def drop_expired(self) -> int:
        """Delete tickets that can no longer be used; return how many. For the worker."""
        with self.raw_store.lend() as raw:
            return store.drop_expired_tickets(raw, self.clock.timestamp())

    # --- consuming --------------------------------------------------------------------------------------------------

    def consume(self, ticket: str, service_url: str) -> str | None:
        """Return the session_id that a service ticket stands for, or None: how eStudent, in this process, validates.

        Effect:  as `validate`; no logout is owed to an application whose session is the sign-on session itself
        """
        good = self._take(Question(ticket, service_url))
        return good.taken.session_id if isinstance(good, _Good) else None

    def validate(self, question: Question) -> Success | Failure:
        """Return who a ticket stands for, or why it is not good.

        Effect:  the ticket is gone in either case; ticket.validated or ticket.refused; the application will be told
                 when the session ends; with `pgt_url` a proxy-granting ticket was delivered there
        """
        if question.pgt_url:
            return self._validate_and_call_back(question)
        good = self._take(question)
        return good if isinstance(good, Failure) else good.answer

    def _take(self, question: Question) -> _Good | Failure:
        now = self.clock.timestamp()
        if not _OUR_FORM.fullmatch(question.ticket):
            return _unknown_ticket()  # never ours: nothing to take, nothing to write
        with self.raw_store.lend() as raw, raw.transaction():
            taken = store.take_ticket(raw, question.ticket, now, self.people.key(self._today()))
            verdict = self._judge(taken, question, now)
            if isinstance(verdict, Failure):
                self._write_refusal(raw, taken, verdict, now)
            elif not question.pgt_url:
                self._write_success(raw, verdict, question.ticket, now)
        return verdict

    def _judge(self, taken: TakenTicket | None, question: Question, now: float) -> _Good | Failure:
        refusal = refuse(taken, question, now)
        if refusal is not None:
            return refusal
        assert taken is not None
        assert taken.account_id is not None
        application = self._served(taken.application_id)
        if application is None:
            return Failure(Code.INVALID_SERVICE, "The service is no longer registered.")
        if not taken.assurance.satisfies(application.required_assurance):
            return Failure(Code.INVALID_TICKET_SPEC, "The service demands a second factor, which was not given.")
        if question.pgt_url and (refusal := _refuse_callback(application, question.pgt_url)):
            return refusal
        tells = question.wants_attributes or application.cas.attributes_in_cas2
        names = application.attributes if tells and not question.withholds_attributes else ()
        values: Values | None = {}
        if names or not application.cas.principal.is_of_everybody:
            values = self.people.from_view(taken.view, taken.account_id, self._today())
        user = None if values is None else self._name(application, taken.account_id, taken.uid, values)
        if user is None or values is None:
            return Failure(Code.INTERNAL_ERROR, "This person has no name of the kind that the service asked for.")
        about: Mapping[str, list[str]] = {}
        # Whether a session was remembered is told by every endpoint (CAS 3.0.3, 4.1.3).
        if tells or taken.remembered:
            about = of_authentication(
                taken.signed_in_at, remembered=taken.remembered, from_new_login=taken.from_new_login
            )
        success = Success(user, {**about, **released(names, values)}, proxies=taken.proxies)
        return _Good(taken, taken.account_id, application, success)

    def _served(self, application_id: str) -> Application | None:
        return self.applications.current().served(application_id, self._today())

    def _today(self) -> date:
        return _date_in_minute(int(self.clock.timestamp() // 60), self.zone)

    def would_tell(self, application: Application, account_id: str, uid: str) -> Success | None:
        """Return what an application would learn about a person beside the sign-in; None when they have no name."""
        values = self.people.compute(account_id, self._today())
        user = None if values is None else self._name(application, account_id, uid, values)
        return None if user is None or values is None else Success(user, released(application.attributes, values))

    def _name(self, application: Application, account_id: str, uid: str, values: Values) -> str | None:
        """Return the name that an application knows the person by."""
        return principal_of(application.cas.principal, uid, values, lambda: self._pairwise(application, account_id))

    def _pairwise(self, application: Application, account_id: str) -> str:
        return f"{self.keys.pairwise(application.id, account_id)[:32]}@{self.people.settings.scope}"

    def _write_refusal(self, raw: Raw, taken: TakenTicket | None, failure: Failure, now: float) -> None:
        if taken is None:  # anybody can invent tickets, and the journal is kept
            told = self.unknown_tickets.count(UNKNOWN, now)
            if told is None:
                return
            event = Event(event_types.TICKET_REFUSED, reason=failure.code, data={"application": "", "refused": told[1]})
        else:
            data = {"application": taken.application_id}
            event = Event(event_types.TICKET_REFUSED, taken.account_id or "", reason=failure.code, data=data)
        add_events(raw, [row(event, now)])

    def _write_success(self, raw: Raw, good: _Good, ticket: str, now: float) -> None:
        application, session_id = good.application, good.taken.session_id
        data = {"application": application.id, "session": session_id}
        done = row(Event(event_types.TICKET_VALIDATED, good.account_id, good.account_id, data=data), now)
        address = application.cas.logout_address(good.taken.service_url)
        if address is None:
            add_events(raw, [done])
        else:
            add_visited(raw, Visited(session_id, ticket, "cas", application.id, address, now), done)

    # --- proxying ---------------------------------------------------------------------------------------------------

    def _validate_and_call_back(self, question: Question) -> Success | Failure:
        # The slot first: a ticket that is refused for want of one was not taken, and can be tried again.
        if not self.callback_slots.acquire(blocking=False):
            log.warning("proxy callback refused", why="too many at once")
            return Failure(Code.INTERNAL_ERROR, "Too many proxy callbacks are running; try again in a few seconds.")
        try:
            good = self._take(question)
            return good if isinstance(good, Failure) else self._grant_proxying(good, question)
        finally:
            self.callback_slots.release()

    def _grant_proxying(self, good: _Good, question: Question) -> Success | Failure:
        """Deliver a proxy-granting ticket to the callback and return the answer with its IOU.

        The service ticket was consumed and committed before. No lock is held while the application answers.
        """
        pgt, iou = long_token("PGT-"), long_token("PGTIOU-")
        granting = ProxyGranting(
            session_id=good.taken.session_id,
            application_id=good.application.id,
            proxies=(question.pgt_url, *good.taken.proxies),
            parent_hash=good.taken.parent_hash,
            expires_at=good.taken.session_expires_at,
        )
        failure = None
        if not self._deliver(question.pgt_url, pgt, iou):
            failure = Failure(Code.INVALID_PROXY_CALLBACK, "The callback did not accept the proxy-granting ticket.")
        now = self.clock.timestamp()
        with self.raw_store.lend() as raw, raw.transaction():
            # The application answered in its own time: the session may have ended meanwhile.
            if failure is None and not store.add_proxy_granting(raw, pgt, granting, now):
                failure = Failure(Code.INVALID_TICKET, SESSION_ENDED)
            if failure is not None:
                self._write_refusal(raw, good.taken, failure, now)
                return failure
            data = {"application": good.application.id, "session": good.taken.session_id}
            add_events(raw, [row(Event(event_types.PROXY_GRANTED, good.account_id, good.account_id, data=data), now)])
            self._write_success(raw, good, question.ticket, now)
        return replace(good.answer, pgt_iou=iou)

    def _deliver(self, pgt_url: str, pgt: str, iou: str) -> bool:
        try:
            answer = self.callbacks.get(with_parameters(pgt_url, {"pgtId": pgt, "pgtIou": iou}))
        except TargetError as error:
            log.info("proxy callback failed", code=error.code, why=str(error))
            return False
        return answer.status == 200

    def proxy(self, pgt: str, target_service: str) -> ProxyTicket | ProxyFailure:
        """Return a proxy ticket for `target_service`. Effect: ticket.issued"""
        now = self.clock.timestamp()
        with self.raw_store.lend() as raw:
            granting = store.find_proxy_granting(raw, pgt, now) if pgt.startswith("PGT-") else None
        if granting is None:
            return ProxyFailure(Code.UNAUTHORIZED_SERVICE, "The proxy-granting ticket is not recognised.")
        asking = self._served(granting.application_id)
        if asking is None or not asking.cas.proxy.allowed:
            return ProxyFailure(Code.UNAUTHORIZED_SERVICE, "The service may not act for its users.")
        try:
            target, _url = self.application_for(target_service)
        except InvalidServiceUrl:
            return ProxyFailure(Code.UNAUTHORIZED_SERVICE, "The target service is not registered.")
        if not granting.assurance.satisfies(target.required_assurance):
            return ProxyFailure(Code.UNAUTHORIZED_SERVICE, "The target service demands a second factor.")
        text = short_token("PT-")
        new = NewTicket(
            kind=PROXY_TICKET,
            session_id=granting.session_id,
            application_id=target.id,
            service_url=target_service,
            from_new_login=False,
            expires_at=now + self.settings.proxy_ticket_s,
            parent_hash=granting.pgt_hash,
            proxies=granting.proxies,
        )
        self._add_ticket(text, new, granting.account_id, now)
        return ProxyTicket(text)


def refuse(taken: TakenTicket | None, question: Question, now: float) -> Failure | None:
    """Return why a ticket that was just taken is not good for this question, or None."""
    if taken is None:
        return _unknown_ticket()
    if taken.kind == PROXY_TICKET and not question.takes_proxy_tickets:
        why = "Validation failed because a proxy ticket was passed; ask /proxyValidate."
        return Failure(Code.INVALID_TICKET_SPEC, why)
    if taken.expires_at <= now:
        return Failure(Code.INVALID_TICKET, "The ticket has expired.")
    if taken.account_id is None:
        return Failure(Code.INVALID_TICKET, SESSION_ENDED)
    if question.renew and not taken.from_new_login:
        return Failure(Code.INVALID_TICKET, "renew was asked for, and the ticket did not come from a new sign-in.")
    if not same_service(taken.service_url, question.service_url):
        return Failure(Code.INVALID_SERVICE, "The ticket was issued for another service.")
    return None


@lru_cache(maxsize=4)  # a request asks four times; days begin with a minute everywhere
def _date_in_minute(minute: int, zone: ZoneInfo) -> date:
    return local_date(datetime.fromtimestamp(60 * minute, UTC), zone)


def _unknown_ticket() -> Failure:
    return Failure(Code.INVALID_TICKET, "The ticket is not recognised; it may have been used before.")


def _refuse_callback(application: Application, pgt_url: str) -> Failure | None:
    if not application.cas.proxy.allowed:
        return Failure(Code.UNAUTHORIZED_SERVICE_PROXY, "The service may not act for its users.")
    try:
        if application.cas.may_call_back(parse_url(pgt_url)):
            return None
    except InvalidServiceUrl:
        pass
    return Failure(Code.INVALID_PROXY_CALLBACK, "The callback is not an address that the service registered.")
