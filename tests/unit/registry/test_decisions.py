import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.people.queries import NewPerson, PersonRecord, StampedEnrolment
from idp.people.status import Access, AccessPolicy
from idp.people.values import Status
from idp.registry.decisions import Candidate, Context, Decision, decide
from idp.registry.reasons import Reason
from idp.registry.rows import Rules
from tests.support.exports import FOREIGNER, export_row

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
CONTEXT = Context(
    rules=Rules(today=date(2026, 10, 1), believed_until=NOW, mac=lambda purpose, text: f"{purpose}({text})"),
    policy=AccessPolicy(),
    seal=lambda text: f"sealed({len(text)})",
)
SECOND = {"prog_kod": "EKO-N1", "prog_nazwa": "Ekonomia", "forma": "N"}


def text_of(**changes: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\n").writerow(export_row(**changes))
    return out.getvalue()


def decided(
    *rows: dict[str, str], stored: PersonRecord | None = None, contest: Reason | None = None, digest: int = 77
) -> Decision:
    lines = tuple((number, text_of(**row)) for number, row in enumerate(rows, start=2))
    contests = {} if contest is None else {"12345": contest}
    candidate = Candidate(os_id="101", rows=lines, digest=digest, stored=stored, contests=contests)
    return decide(candidate, CONTEXT)


def added(*rows: dict[str, str]) -> NewPerson:
    decision = decided(*rows)
    assert decision.add is not None
    return decision.add


def stored(*rows: dict[str, str]) -> PersonRecord:
    """Return the person whom a first import of `rows` stores."""
    new = added(*rows)
    return PersonRecord(
        person_id="p1",
        os_id=new.os_id,
        uid="u23456789",
        identity=new.identity,
        changed_at=new.changed_at,
        digest=new.digest,
        access=new.access,
        review_on=new.review_on,
        enrolments=new.enrolments,
    )


def reasons(decision: Decision) -> list[str]:
    return [row.reason for row in decision.quarantined]


# --- people not yet known -------------------------------------------------------------------------------------------


def test_a_person_not_yet_known_is_added_with_all_programmes() -> None:
    new = added({}, SECOND)

    assert [one.enrolment.programme for one in new.enrolments] == ["EKO-N1", "INF-S1"]
    assert (new.access, new.language, new.line, new.digest) == (Access.ACTIVE, "pl", 2, 77)


def test_letters_to_foreigners_begin_in_english() -> None:
    assert added(FOREIGNER).language == "en"
    assert added({"obywatelstwo": "UA|PL"}).language == "pl"


def test_an_album_may_be_missing_only_before_the_oath() -> None:
    assert added({"nr_albumu": "", "status": "admitted"}).identity.album is None
    assert reasons(decided({"nr_albumu": ""})) == ["album_missing"]


def test_a_second_programme_without_album_belongs_to_the_album_of_the_first() -> None:
    new = added({}, SECOND | {"nr_albumu": "", "status": "admitted"})

    assert (new.identity.album, len(new.enrolments)) == ("12345", 2)


def test_a_good_row_is_taken_beside_a_bad_one_and_the_person_is_looked_at_again() -> None:
    decision = decided({}, SECOND | {"status": "?"})

    assert decision.add is not None
    assert decision.add.digest == 0
    assert reasons(decision) == ["status_unknown"]


def test_one_person_with_two_albums_is_kept_aside_whole() -> None:
    decision = decided({}, SECOND | {"nr_albumu": "54321"})

    assert decision.add is None
    assert reasons(decision) == ["album_two_for_one"] * 2


def test_rows_of_one_age_that_disagree_about_the_person_are_kept_aside() -> None:
    assert reasons(decided({}, SECOND | {"nazwisko": "Inna"})) == ["rows_disagree"] * 2


def test_the_newer_row_says_who_the_person_is() -> None:
    new = added({"nazwisko": "Nowa", "zmieniono": "2026-09-02T10:00:00Z"}, SECOND | {"nazwisko": "Dawna"})

    assert new.identity.surname == "Nowa"


def test_a_programme_repeated_word_for_word_is_one_programme() -> None:
    assert len(added({}, {}).enrolments) == 1


def test_of_a_programme_repeated_the_newer_row_counts() -> None:
    decision = decided({"status": "cancelled"}, {"status_od": "2026-10-01", "zmieniono": "2026-09-20T10:00:00Z"})

    assert decision.add is not None
    assert decision.add.enrolments[0].enrolment.status is Status.ACTIVE
    assert decision.stale == 1


def test_a_programme_repeated_with_nothing_to_choose_by_is_kept_aside() -> None:
    assert reasons(decided({"status": "cancelled"}, {})) == ["programme_repeated"] * 2


def test_a_contested_album_is_given_to_nobody() -> None:
    decision = decided({}, contest=Reason.ALBUM_OF_TWO)

    assert (decision.add, reasons(decision)) == (None, ["album_of_two"])


# --- people known ---------------------------------------------------------------------------------------------------


def test_the_same_rows_change_nothing() -> None:
    decision = decided({}, SECOND, stored=stored({}, SECOND))

    assert decision.fields == ()
    assert decision.update is not None
    assert decision.update.line is None


def test_a_changed_surname_is_a_change_of_who_somebody_is() -> None:
    later = {"nazwisko": "Kowalska", "nazwisko_poprzednie": "Nowak", "zmieniono": "2026-09-20T10:00:00Z"}
    decision = decided(later, stored=stored({}))

    assert decision.fields == ("previous_surname", "surname")
    assert decision.changes_who
    assert decision.update is not None
    assert decision.update.identity.surname == "Kowalska"


def test_an_older_row_is_stale_even_if_it_is_bad() -> None:
    old = {"zmieniono": "2025-09-01T10:00:00Z"}
    decision = decided(old | {"status": "cancelled"}, SECOND | old | {"pesel": "1"}, stored=stored({}, SECOND))

    assert (decision.stale, decision.update, decision.quarantined) == (2, None, ())


def test_a_bad_row_is_stale_beside_a_newer_good_one_of_its_programme() -> None:
    old = {"zmieniono": "2025-09-01T10:00:00Z"}
    decision = decided({}, old | {"pesel": "1"}, SECOND | old | {"pesel": "1"})

    assert decision.add is not None
    assert decision.stale == 1
    assert [one.programme for one in decision.quarantined] == [SECOND["prog_kod"]]


def test_a_row_from_the_future_is_not_believed() -> None:
    decision = decided({"zmieniono": "2026-10-02T10:00:00Z"}, stored=stored({}))

    assert (decision.update, decision.recheck, reasons(decision)) == (None, True, ["changed_in_future"])


def test_an_older_row_of_a_new_programme_adds_it_and_leaves_the_person() -> None:
    decision = decided(SECOND | {"nazwisko": "Dawna", "zmieniono": "2025-01-01T10:00:00Z"}, stored=stored({}))

    assert decision.fields == ("programme",)
    assert decision.update is not None
    assert decision.update.identity.surname == "Nowak"


def test_a_programme_absent_from_the_file_stays() -> None:
    decision = decided({}, stored=stored({}, SECOND))

    assert decision.fields == ()


def test_an_album_never_changes() -> None:
    decision = decided({"nr_albumu": "54321"}, stored=stored({}))

    assert (decision.update, decision.recheck, reasons(decision)) == (None, True, ["album_changed"])


def test_an_album_that_disappears_stays_and_a_first_album_is_noted() -> None:
    kept = decided({"nr_albumu": "", "zmieniono": "2026-09-20T10:00:00Z"}, stored=stored({}))
    assert kept.fields == ()

    first = decided({}, stored=stored({"nr_albumu": "", "status": "admitted"}))
    assert (first.fields, first.first_album) == (("album", "status"), "12345")


def test_a_pesel_may_appear_later() -> None:
    decision = decided({"obywatelstwo": "UA", "zmieniono": "2026-09-20T10:00:00Z"}, stored=stored(FOREIGNER))

    assert decision.fields == ("document", "pesel")
    assert decision.new_pesel == "pesel(02022700003)"
    assert decision.update is not None
    assert decision.update.identity.pesel_end_mac == "pesel-end(0003)"


def test_a_suspension_and_a_return_are_carried_through() -> None:
    away = {"status": "suspended", "status_od": "2026-09-20", "zmieniono": "2026-09-20T10:00:00Z"}
    suspended = decided(away, stored=stored({}))
    assert (suspended.fields, suspended.access) == (("status",), Access.SUSPENDED)

    back = {"status_od": "2026-09-30", "zmieniono": "2026-09-30T10:00:00Z"}
    assert decided(back, stored=stored(away)).access is Access.ACTIVE


def test_a_newer_row_may_bring_an_older_status_since_a_strike_off_can_be_reversed() -> None:
    struck_off = {"status": "cancelled", "status_od": "2026-06-01"}
    decision = decided({"zmieniono": "2026-09-20T10:00:00Z"}, stored=stored(struck_off))

    assert (decision.fields, decision.access) == (("status",), Access.ACTIVE)


def test_a_row_that_is_no_newer_may_not_take_the_status_back_in_time() -> None:
    decision = decided({}, stored=stored({"status": "cancelled", "status_od": "2026-06-01"}))

    assert (decision.update, reasons(decision)) == (None, ["status_back_in_time"])


def test_a_status_that_lies_ahead_remembers_what_holds_until_then() -> None:
    ahead = {"status": "cancelled", "status_od": "2026-11-01", "zmieniono": "2026-09-20T10:00:00Z"}
    decision = decided(ahead, stored=stored({"status": "leave"}))

    assert decision.update is not None
    assert decision.update.changed_enrolments[0].enrolment.before == (Status.LEAVE, date(2025, 10, 1))
    assert decision.update.review_on == date(2026, 11, 1)
    assert decision.access is None


def test_what_holds_is_still_known_when_the_same_row_comes_again() -> None:
    known = stored({"status": "cancelled", "status_od": "2026-11-01"})
    before = (Status.LEAVE, date(2025, 10, 1))
    one = known.enrolments[0]
    remembered = StampedEnrolment(replace(one.enrolment, before=before), one.changed_at)
    again = decided(
        {"status": "cancelled", "status_od": "2026-11-01"},
        stored=msgspec.structs.replace(known, enrolments=(remembered,)),
    )

    assert (again.fields, again.update is not None and again.update.changed_enrolments) == ((), ())


def test_nothing_that_is_kept_holds_a_national_id_in_clear() -> None:
    lines = ((2, text_of()), (3, text_of(pesel="02022700004")))
    context = msgspec.structs.replace(CONTEXT, rules=msgspec.structs.replace(CONTEXT.rules, mac=lambda *_: "mac"))

    decision = decide(Candidate(os_id="101", rows=lines, digest=1, stored=None), context)

    assert b"0202270000" not in msgspec.json.encode(decision)
    assert decision.quarantined[0].sealed_row.startswith("sealed(")


# --- order ----------------------------------------------------------------------------------------------------------

CELLS = {
    "nr_albumu": ["12345", "12345", "12345", "012345", ""],
    "nazwisko": ["Nowak", "Nowak", "Kowalska"],
    "prog_kod": ["INF-S1", "EKO-N1", "LOG-S2"],
    "status": ["active", "cancelled", "admitted", "suspended", "?"],
    "status_od": ["2025-10-01", "2026-06-01", "2026-12-01"],
    "zmieniono": ["2026-09-01T10:00:00+02:00", "2026-09-20T10:00:00Z", "2027-01-01T00:00:00Z"],
    "email_prywatny": ["a@example.com", "b@example.com"],
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CELLS.items()}), min_size=1, max_size=5
)


@given(ROWS, st.lists(st.fixed_dictionaries({}), max_size=1), st.randoms())
def test_the_order_of_rows_means_nothing(rows: list[dict[str, str]], known: list[object], source: object) -> None:
    before = stored({}, SECOND) if known else None
    lines = list(enumerate((text_of(**row) for row in rows), start=2))
    shuffled = list(lines)
    source.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random under another name

    one = decide(Candidate(os_id="101", rows=tuple(lines), digest=1, stored=before), CONTEXT)
    other = decide(Candidate(os_id="101", rows=tuple(shuffled), digest=1, stored=before), CONTEXT)

    assert _unordered(one) == _unordered(other)


def _unordered(decision: Decision) -> Decision:
    return msgspec.structs.replace(
        decision,
        quarantined=tuple(sorted(decision.quarantined, key=lambda row: row.line)),
        remarks=tuple(sorted(decision.remarks)),
    )


@pytest.mark.parametrize("count", [1, 3])
def test_every_row_is_taken_skipped_or_kept_aside(count: int) -> None:
    decision = decided(*[SECOND | {"status": "?"}] * count)

    assert len(decision.quarantined) == count


@pytest.mark.parametrize(
    ("spelling", "capitals"),
    [
        ("Großmann", "GROSSMANN"),
        ("Yıldırım", "YILDIRIM"),
        ("McDonald", "MCDONALD"),
        ("Großmann-Żak", "GROSSMANN - ŻAK"),
    ],
)
def test_a_name_in_capitals_keeps_the_stored_spelling(spelling: str, capitals: str) -> None:
    before = stored({"nazwisko": spelling})

    decision = decided({"nazwisko": capitals, "zmieniono": "2026-09-20T10:00:00Z"}, stored=before)

    assert decision.update is not None
    assert (decision.fields, decision.update.identity.surname) == ((), spelling)


def test_another_name_in_capitals_replaces_the_stored_one() -> None:
    decision = decided({"nazwisko": "KOWALSKA", "zmieniono": "2026-09-20T10:00:00Z"}, stored=stored({}))

    assert decision.update is not None
    assert (decision.fields, decision.update.identity.surname) == (("surname",), "Kowalska")


def test_a_known_student_whose_album_is_empty_is_quarantined() -> None:
    decision = decided({"nr_albumu": "", "zmieniono": "2026-09-20T10:00:00Z"}, stored=stored({}))

    assert (decision.update, reasons(decision)) == (None, ["album_missing"])


def test_an_album_in_one_of_the_persons_rows_is_enough() -> None:
    later = {"zmieniono": "2026-09-20T10:00:00Z"}

    decision = decided(later | {"nr_albumu": ""}, SECOND | later, stored=stored({}))

    assert (decision.fields, reasons(decision)) == (("programme",), [])


@pytest.mark.parametrize(
    ("row", "takes"),
    [
        ({"status": "cancelled", "status_od": "2026-09-25"}, True),  # access stays for the grace period
        ({"status": "cancelled", "status_od": "2026-12-01"}, True),  # it only begins later
        ({"status": "suspended", "status_od": "2026-09-25"}, True),
        ({"status": "graduated_diploma", "status_od": "2026-09-25", "poziom": "2"}, True),
        (
            {"status": "graduated_diploma", "status_od": "2026-09-25", "poziom": "1"},
            False,
        ),  # a student until 31 October
        ({"status": "leave", "status_od": "2026-09-25"}, False),
    ],
)
def test_a_loss_of_student_rights_is_told(row: dict[str, str], takes: bool) -> None:
    decision = decided(row | {"zmieniono": "2026-09-26T10:00:00Z"}, stored=stored({}))

    assert decision.takes_student_rights is takes


def test_who_studies_elsewhere_or_had_no_student_rights_loses_none() -> None:
    struck_off = {"status": "cancelled", "status_od": "2026-09-25", "zmieniono": "2026-09-26T10:00:00Z"}

    assert not decided(struck_off, stored=stored({}, SECOND)).takes_student_rights
    assert not decided(struck_off, stored=stored({"status": "admitted"})).takes_student_rights
