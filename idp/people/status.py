"""A person's status on one day: affiliations and access.

The registry gives a status to each programme. The person's status follows from all programmes and sources together.
The order of rows means nothing, and so does a change of programme within one day (docs/domain.md, life cycle).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from idp.people.values import Enrolment, Source, Status

STUDENT, STAFF, MEMBER, ALUM, AFFILIATE = "student", "staff", "member", "alum", "affiliate"
AFFILIATIONS = (STUDENT, STAFF, MEMBER, ALUM, AFFILIATE)  # the order in which they are written
_PRIMARY_FIRST = (STAFF, STUDENT, ALUM, AFFILIATE, MEMBER)

VERSION = 2
"""Raise it when a rule of this module gives another status: everybody is then compared with every target again."""

FIRST_CYCLE = "1"


class Access(StrEnum):
    """What the records say about signing in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # no sign-in for now; everything is kept
    CLOSED = "closed"  # the time after the studies is over


class Reason(StrEnum):
    """Why a person has this status; explanations name it."""

    STAFF = "staff"
    STUDENT = "student"
    ON_LEAVE = "on_leave"
    FIRST_CYCLE_GRADUATE = "first_cycle_graduate"
    ADMITTED = "admitted"
    SUSPENDED = "suspended"
    GRACE = "grace"
    GRADUATE = "graduate"
    STRUCK_OFF = "struck_off"
    GRADUATE_TIME_OVER = "graduate_time_over"
    CANDIDATE_TIME_OVER = "candidate_time_over"
    NO_ENROLMENT = "no_enrolment"
    MERGED = "merged"  # another record stands for this person


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What the law leaves to the university. Units: days."""

    suspended_keeps_access: bool = False
    struck_off_grace_days: int = 14
    graduate_access_days: int = 180
    candidate_access_days: int = 180


@dataclass(frozen=True, slots=True)
class PersonStatus:
    """What a person is to the university on one day.

    Shape:   PersonStatus(("student", "member"), "student", Access.ACTIVE, Reason.STUDENT, date(2026, 11, 1))
    """

    affiliations: tuple[str, ...]  # values of eduPersonAffiliation
    primary_affiliation: str  # one of them, or ""
    access: Access
    reason: Reason
    changes_on: date | None  # the first later day on which time alone may change this

    @property
    def is_student(self) -> bool:
        """Student rights hold today; only such a person carries the European Student Identifier."""
        return STUDENT in self.affiliations


class _Weight(IntEnum):
    """Which of several effects decides access: the heaviest. Studies outweigh a suspension, which outweighs grace."""

    NONE, OVER, STRUCK_OFF, REMAINDER, SUSPENDED, ADMITTED, STUDENT, STAFF = range(8)


@dataclass(frozen=True, slots=True)
class EnrolmentEffect:
    """What one enrolment or source gives."""

    weight: _Weight
    access: Access
    reason: Reason
    affiliations: frozenset[str] = frozenset()
    until: date | None = None  # the day on which it becomes another one


_NOTHING = EnrolmentEffect(_Weight.NONE, Access.CLOSED, Reason.NO_ENROLMENT)
_DEFAULT_POLICY = AccessPolicy()
MERGED = PersonStatus((), "", Access.CLOSED, Reason.MERGED, None)
"""The status of a record that is merged into another one: the other one has the rights of both."""


def person_status(
    enrolments: Iterable[Enrolment],
    sources: Collection[Source],
    today: date,
    policy: AccessPolicy = _DEFAULT_POLICY,
) -> PersonStatus:
    """Return a person's status `today`. Affiliations of studies and of employment add up.

    Source:  DOMAIN life cycle: USOS programme statuses; PSWN (act of 20 July 2018) art. 83, 108, 109
    """
    grounds = tuple([(one.status, one.status_from, one.level, one.before) for one in enrolments])
    return _status_of(grounds, Source.STAFF in sources, today, policy)


_Grounds = tuple[Status, date, str, tuple[Status, date] | None]
"""What an enrolment's effect follows from: status, its first day, level, and the status before it."""


@lru_cache(maxsize=10_000)  # people share their grounds: a year's students of one level were admitted on one day
def _status_of(grounds: tuple[_Grounds, ...], is_staff: bool, today: date, policy: AccessPolicy) -> PersonStatus:
    effects = [_effect_of(*one, today, policy) for one in grounds]
    if is_staff:
        effects.append(_EMPLOYED)
    # The largest key: several effects of one weight give the same answer in any order.
    decisive = max(effects, key=lambda effect: (effect.weight, effect.access, effect.reason), default=_NOTHING)
    held: frozenset[str] = frozenset().union(*(effect.affiliations for effect in effects))
    return PersonStatus(
        affiliations=tuple(word for word in AFFILIATIONS if word in held),
        primary_affiliation=next((word for word in _PRIMARY_FIRST if word in held), ""),
        access=decisive.access,
        reason=decisive.reason,
        changes_on=min((effect.until for effect in effects if effect.until), default=None),
    )


_NEVER = datetime.min.replace(tzinfo=UTC)


def latest_per_programme(enrolments: Iterable[Enrolment]) -> tuple[Enrolment, ...]:
    """Return enrolments without those of which the registry changed the same programme later.

    Two merged records may hold the same programme. After the registry's own merge, only rows of one of them arrive.
    Of equal age, both count.
    """
    enrolments = tuple(enrolments)
    latest: dict[str, datetime] = {}
    for enrolment in enrolments:
        latest[enrolment.programme] = max(_changed_at(enrolment), latest.get(enrolment.programme, _NEVER))
    return tuple(enrolment for enrolment in enrolments if _changed_at(enrolment) == latest[enrolment.programme])


def _changed_at(enrolment: Enrolment) -> datetime:
    return enrolment.changed_at or _NEVER


def local_date(at: datetime, zone: ZoneInfo) -> date:
    """Return the university's calendar day at an instant: rights begin and end at its midnight."""
    return at.astimezone(zone).date()


def _effect_of(
    status: Status,
    status_from: date,
    level: str,
    before: tuple[Status, date] | None,
    today: date,
    policy: AccessPolicy,
) -> EnrolmentEffect:
    if status_from <= today:
        return _since(status, status_from, level, today, policy)
    # A status that begins later leaves its predecessor in force until then.
    earlier, since = before or (_presumed_before(status), today)
    effect = _since(earlier, since, level, today, policy)
    return replace(effect, until=min(effect.until or status_from, status_from))


def _presumed_before(status: Status) -> Status:
    """Whoever will be active is admitted until then; whoever will leave is still active."""
    return Status.ADMITTED if status in (Status.ACTIVE, Status.ADMITTED) else Status.ACTIVE


def _since(status: Status, since: date, level: str, today: date, policy: AccessPolicy) -> EnrolmentEffect:
    match status:
        case Status.ACTIVE | Status.GRADUATED_BEFORE_DIPLOMA:
            return _STUDYING
        case Status.LEAVE:
            return _ON_LEAVE
        case Status.ADMITTED:
            return _admitted(since, today, policy)
        case Status.SUSPENDED:
            return _suspended(policy)
        case Status.CANCELLED:
            return _struck_off(since, today, policy)
        case Status.GRADUATED_DIPLOMA | Status.GRADUATED_END_OF_STUDY:
            return _graduated(level, since, today, policy)


# Leave keeps student rights; whoever waits for the diploma exam counts as an active student (USOS vocabulary).
_STUDYING = EnrolmentEffect(_Weight.STUDENT, Access.ACTIVE, Reason.STUDENT, frozenset({STUDENT, MEMBER}))
_ON_LEAVE = replace(_STUDYING, reason=Reason.ON_LEAVE)
# Employment does not end by time: removing the staff source ends it.
_EMPLOYED = EnrolmentEffect(_Weight.STAFF, Access.ACTIVE, Reason.STAFF, frozenset({STAFF, MEMBER}))


def _suspended(policy: AccessPolicy) -> EnrolmentEffect:
    # Suspended in student rights: not `student`, which applications take for a right; still of the university.
    if policy.suspended_keeps_access:
        return EnrolmentEffect(_Weight.SUSPENDED, Access.ACTIVE, Reason.SUSPENDED, frozenset({MEMBER}))
    return EnrolmentEffect(_Weight.SUSPENDED, Access.SUSPENDED, Reason.SUSPENDED)


def _admitted(since: date, today: date, policy: AccessPolicy) -> EnrolmentEffect:
    # Student rights begin with the oath (PSWN art. 83): an account may be made, the affiliation has to wait.
    over_on = since + timedelta(days=policy.candidate_access_days)
    if today < over_on:
        return EnrolmentEffect(_Weight.ADMITTED, Access.ACTIVE, Reason.ADMITTED, frozenset({AFFILIATE}), over_on)
    return EnrolmentEffect(_Weight.OVER, Access.CLOSED, Reason.CANDIDATE_TIME_OVER)


def _struck_off(since: date, today: date, policy: AccessPolicy) -> EnrolmentEffect:
    # The decision can be appealed and reversed (PSWN art. 108): grace first, and a suspension loses nothing.
    over_on = since + timedelta(days=policy.struck_off_grace_days)
    if today < over_on:
        return EnrolmentEffect(_Weight.REMAINDER, Access.ACTIVE, Reason.GRACE, until=over_on)
    return EnrolmentEffect(_Weight.STRUCK_OFF, Access.SUSPENDED, Reason.STRUCK_OFF)


def _graduated(level: str, since: date, today: date, policy: AccessPolicy) -> EnrolmentEffect:
    rights_end_on = since
    if level == FIRST_CYCLE:
        # First-cycle graduates keep student rights until 31 October of that year (PSWN art. 109).
        rights_end_on = max(since, date(since.year, 11, 1))
    if today < rights_end_on:
        words = frozenset({STUDENT, MEMBER, ALUM})
        return EnrolmentEffect(_Weight.STUDENT, Access.ACTIVE, Reason.FIRST_CYCLE_GRADUATE, words, rights_end_on)
    over_on = rights_end_on + timedelta(days=policy.graduate_access_days)
    if today < over_on:
        return EnrolmentEffect(_Weight.REMAINDER, Access.ACTIVE, Reason.GRADUATE, frozenset({ALUM}), over_on)
    return EnrolmentEffect(_Weight.OVER, Access.CLOSED, Reason.GRADUATE_TIME_OVER, frozenset({ALUM}))


def status_in_force(known: Iterable[tuple[Status, date]], today: date) -> tuple[Status, date] | None:
    """Return which of the `known` statuses of one programme holds today, and since when.

    Shape:   [(ACTIVE, 2024-10-01), (CANCELLED, 2026-03-01), (ACTIVE, 2027-10-01)] -> (CANCELLED, 2026-03-01)
    """
    begun = [(since, status) for status, since in known if since <= today]
    return (max(begun)[1], max(begun)[0]) if begun else None
