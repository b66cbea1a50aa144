from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.people.status import (
    Access,
    AccessPolicy,
    PersonStatus,
    Reason,
    latest_per_programme,
    local_date,
    person_status,
    status_in_force,
)
from idp.people.values import Enrolment, Source, Status

TODAY = date(2026, 10, 1)
REGISTRY = (Source.REGISTRY,)
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def enrolment(
    status: Status = Status.ACTIVE,
    since: date = date(2025, 10, 1),
    *,
    level: str = "1",
    programme: str = "INF-S1",
    before: tuple[Status, date] | None = None,
) -> Enrolment:
    return Enrolment(programme, "Informatyka", "WEAI", level, "S", status, since, None, None, before)


def on(today: date, *enrolments: Enrolment, policy: AccessPolicy | None = None) -> PersonStatus:
    return person_status(enrolments, REGISTRY, today, policy or AccessPolicy())


def test_an_active_student_is_student_and_member() -> None:
    assert on(TODAY, enrolment()) == PersonStatus(("student", "member"), "student", Access.ACTIVE, Reason.STUDENT, None)


def test_whoever_waits_for_the_diploma_exam_is_still_a_student() -> None:
    assert on(TODAY, enrolment(Status.GRADUATED_BEFORE_DIPLOMA)).is_student


def test_leave_keeps_student_rights() -> None:
    found = on(TODAY, enrolment(Status.LEAVE))

    assert (found.is_student, found.access, found.reason) == (True, Access.ACTIVE, Reason.ON_LEAVE)


def test_an_admitted_person_may_make_an_account_and_is_no_student_before_the_oath() -> None:
    found = on(TODAY, enrolment(Status.ADMITTED, date(2026, 9, 1)))

    assert (found.affiliations, found.access, found.is_student) == (("affiliate",), Access.ACTIVE, False)


def test_a_candidate_who_never_begins_loses_the_account_after_the_time_set() -> None:
    admitted = enrolment(Status.ADMITTED, date(2026, 4, 1))

    assert on(date(2026, 9, 27), admitted).access is Access.ACTIVE
    assert on(date(2026, 9, 28), admitted).reason is Reason.CANDIDATE_TIME_OVER
    assert on(date(2026, 9, 28), admitted).access is Access.CLOSED


def test_a_suspended_student_may_not_sign_in_unless_the_university_says_so() -> None:
    suspended = enrolment(Status.SUSPENDED)

    assert on(TODAY, suspended).access is Access.SUSPENDED
    assert on(TODAY, suspended).affiliations == ()
    kept = on(TODAY, suspended, policy=AccessPolicy(suspended_keeps_access=True))
    assert (kept.access, kept.affiliations) == (Access.ACTIVE, ("member",))


def test_a_strike_off_leaves_access_for_the_grace_period_and_suspends_then() -> None:
    struck_off = enrolment(Status.CANCELLED, date(2026, 9, 20))

    assert on(date(2026, 10, 3), struck_off).reason is Reason.GRACE
    assert on(date(2026, 10, 3), struck_off).access is Access.ACTIVE
    assert on(date(2026, 10, 3), struck_off).changes_on == date(2026, 10, 4)
    assert on(date(2026, 10, 4), struck_off).access is Access.SUSPENDED


def test_a_reversed_strike_off_gives_everything_back() -> None:
    assert on(TODAY, enrolment(Status.ACTIVE, date(2024, 10, 1))).is_student


@pytest.mark.parametrize("order", list(permutations(range(2))))
def test_a_change_of_programme_within_one_day_leaves_no_gap_whatever_the_row_order(order: tuple[int, ...]) -> None:
    rows = [
        enrolment(Status.CANCELLED, TODAY, programme="INF-S1"),
        enrolment(Status.ACTIVE, TODAY, programme="INF-N1"),
    ]

    for grace in (0, 14):
        found = on(TODAY, *(rows[place] for place in order), policy=AccessPolicy(struck_off_grace_days=grace))
        assert (found.is_student, found.access) == (True, Access.ACTIVE)


def test_first_cycle_graduates_keep_student_rights_until_31_october_of_that_year() -> None:
    graduate = enrolment(Status.GRADUATED_DIPLOMA, date(2026, 7, 3))

    assert on(date(2026, 10, 31), graduate).affiliations == ("student", "member", "alum")
    assert on(date(2026, 10, 31), graduate).changes_on == date(2026, 11, 1)
    assert on(date(2026, 11, 1), graduate).affiliations == ("alum",)
    assert on(date(2026, 11, 1), graduate).access is Access.ACTIVE


def test_a_first_cycle_that_ends_in_november_gives_no_rights_beyond_it() -> None:
    assert on(date(2026, 11, 5), enrolment(Status.GRADUATED_DIPLOMA, date(2026, 11, 5))).affiliations == ("alum",)


@pytest.mark.parametrize("level", ["2", "JM", "3", "PD"])
def test_rights_of_every_other_cycle_end_with_graduation(level: str) -> None:
    found = on(TODAY, enrolment(Status.GRADUATED_DIPLOMA, TODAY, level=level))

    assert (found.affiliations, found.primary_affiliation, found.access) == (("alum",), "alum", Access.ACTIVE)


def test_a_graduates_account_is_closed_after_the_time_set_and_alum_stays() -> None:
    graduate = enrolment(Status.GRADUATED_DIPLOMA, date(2026, 1, 1), level="2")

    found = on(date(2026, 1, 1) + timedelta(days=180), graduate)

    assert (found.affiliations, found.access) == (("alum",), Access.CLOSED)


def test_a_second_cycle_student_is_alum_too() -> None:
    found = on(
        date(2026, 12, 1),
        enrolment(Status.GRADUATED_DIPLOMA, date(2026, 7, 1)),
        enrolment(Status.ACTIVE, date(2026, 10, 1), level="2", programme="INF-S2"),
    )

    assert (found.affiliations, found.primary_affiliation) == (("student", "member", "alum"), "student")


def test_studies_outweigh_a_suspension_in_another_programme() -> None:
    found = on(TODAY, enrolment(Status.SUSPENDED), enrolment(programme="EKO-N1"))

    assert found.access is Access.ACTIVE


def test_a_suspension_outweighs_what_is_left_of_other_studies() -> None:
    found = on(
        TODAY, enrolment(Status.SUSPENDED), enrolment(Status.GRADUATED_DIPLOMA, TODAY, level="2", programme="EKO-N2")
    )

    assert found.access is Access.SUSPENDED


def test_a_status_takes_effect_on_its_day_and_not_before() -> None:
    leaving = enrolment(Status.CANCELLED, date(2026, 10, 20), before=(Status.ACTIVE, date(2025, 10, 1)))

    assert on(date(2026, 10, 19), leaving).is_student
    assert on(date(2026, 10, 19), leaving).changes_on == date(2026, 10, 20)
    assert on(date(2026, 10, 20), leaving).reason is Reason.GRACE


def test_whoever_will_be_active_is_admitted_until_then_when_nothing_else_is_known() -> None:
    assert on(date(2026, 9, 15), enrolment(Status.ACTIVE, TODAY)).reason is Reason.ADMITTED


def test_whoever_will_leave_is_still_active_when_nothing_else_is_known() -> None:
    assert on(date(2026, 9, 15), enrolment(Status.GRADUATED_DIPLOMA, TODAY)).is_student


def test_a_return_that_lies_ahead_does_not_open_a_suspended_account_early() -> None:
    returning = enrolment(Status.ACTIVE, date(2026, 11, 1), before=(Status.SUSPENDED, date(2026, 5, 1)))

    assert on(TODAY, returning).access is Access.SUSPENDED
    assert on(date(2026, 11, 1), returning).access is Access.ACTIVE


def test_a_grace_period_runs_on_while_a_return_lies_ahead() -> None:
    returning = enrolment(Status.ACTIVE, date(2026, 12, 1), before=(Status.CANCELLED, date(2026, 9, 25)))

    assert on(TODAY, returning).changes_on == date(2026, 10, 9)
    assert on(date(2026, 10, 9), returning).access is Access.SUSPENDED


def test_without_any_programme_nothing_is_open() -> None:
    assert on(TODAY) == PersonStatus((), "", Access.CLOSED, Reason.NO_ENROLMENT, None)


def test_of_the_known_statuses_the_latest_that_has_begun_is_in_force() -> None:
    known = [
        (Status.ACTIVE, date(2024, 10, 1)),
        (Status.CANCELLED, date(2026, 3, 1)),
        (Status.ACTIVE, date(2027, 1, 1)),
    ]

    assert status_in_force(known, TODAY) == (Status.CANCELLED, date(2026, 3, 1))
    assert status_in_force(known[2:], TODAY) is None


def test_a_day_begins_at_the_universitys_midnight() -> None:
    assert local_date(datetime(2026, 10, 31, 23, 30, tzinfo=UTC), ZoneInfo("Europe/Warsaw")) == date(2026, 11, 1)


ENROLMENTS = st.lists(
    st.builds(
        Enrolment,
        programme=st.uuids().map(str),
        programme_name=st.just("Informatyka"),
        unit=st.just("WEAI"),
        level=st.sampled_from(["1", "2", "JM", "3", "PD"]),
        form=st.just("S"),
        status=st.sampled_from(Status),
        status_from=DAYS,
        admitted_on=st.none(),
        ends_on=st.none(),
        before=st.none() | st.tuples(st.sampled_from(Status), DAYS),
    ),
    max_size=4,
)


@given(ENROLMENTS, DAYS, st.randoms())
def test_the_order_of_programmes_means_nothing(enrolments: list[Enrolment], today: date, source: object) -> None:
    shuffled = list(enrolments)
    source.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random under another name

    assert person_status(shuffled, REGISTRY, today) == person_status(enrolments, REGISTRY, today)


@given(ENROLMENTS, DAYS)
def test_nothing_changes_before_the_day_that_is_named(enrolments: list[Enrolment], today: date) -> None:
    now = person_status(enrolments, REGISTRY, today)
    until = min(now.changes_on or date(2031, 1, 1), today + timedelta(days=400))
    assert until > today

    for days in {1, (until - today).days // 2, (until - today).days - 1}:
        if 0 < days < (until - today).days:
            then = person_status(enrolments, REGISTRY, today + timedelta(days=days))
            assert (then.affiliations, then.access) == (now.affiliations, now.access)


@given(ENROLMENTS, DAYS)
def test_a_student_is_always_a_member_and_may_sign_in(enrolments: list[Enrolment], today: date) -> None:
    found = person_status(enrolments, REGISTRY, today)

    assert found.is_student == ("student" in found.affiliations)
    assert not found.is_student or ("member" in found.affiliations and found.access is Access.ACTIVE)
    assert (found.primary_affiliation in found.affiliations) == bool(found.affiliations)


def test_of_one_programme_in_two_records_the_enrolment_that_changed_last_counts() -> None:
    old = replace(enrolment(Status.ACTIVE, date(2025, 10, 1)), changed_at=datetime(2026, 9, 1, tzinfo=UTC))
    new = replace(enrolment(Status.SUSPENDED, date(2026, 9, 20)), changed_at=datetime(2026, 9, 20, tzinfo=UTC))
    equal = replace(enrolment(Status.LEAVE, date(2025, 10, 1)), changed_at=datetime(2026, 9, 20, tzinfo=UTC))
    other = replace(old, programme="EKO-N1")

    assert latest_per_programme([old, new, other]) == (new, other)
    assert latest_per_programme([new, equal]) == (new, equal)


def test_staff_keep_access_whatever_their_studies_say_and_affiliations_add_up() -> None:
    both = (Source.REGISTRY, Source.STAFF)
    former = enrolment(Status.CANCELLED, date(2020, 1, 1))
    graduate = enrolment(Status.GRADUATED_DIPLOMA, date(2026, 9, 1), level="2")

    assert person_status((), (Source.STAFF,), TODAY) == PersonStatus(
        ("staff", "member"), "staff", Access.ACTIVE, Reason.STAFF, None
    )
    assert person_status((former,), both, TODAY).access is Access.ACTIVE
    assert person_status((enrolment(),), both, TODAY).affiliations == ("student", "staff", "member")
    assert person_status((graduate,), both, TODAY).affiliations == ("staff", "member", "alum")
