"""The comparison of desired and observed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.provisioning.compare import compare
from idp.provisioning.values import Change, Entry, Finding, Gone, Kind
from tests.support.provisioning import entry

ENTRIES = st.builds(
    lambda name, enabled, values: (name, enabled, {"cn": tuple(values)}),
    st.sampled_from(["u1", "u2"]),
    st.booleans(),
    st.lists(st.text(max_size=3), max_size=3),
)
WORLDS = st.dictionaries(st.text("abc", min_size=1, max_size=3), ENTRIES, max_size=12)


def world(given: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]]) -> list[Entry]:
    return [Entry(person_id, *parts) for person_id, parts in sorted(given.items())]


def changes(desired: list[Entry | Gone], observed: list[Entry]) -> list[Change]:
    return [each for each in compare(desired, observed) if isinstance(each, Change)]


def test_a_truncated_import_removes_nobody() -> None:
    results = list(compare(desired=[], observed=[entry("p1"), entry("p2")]))

    assert [type(result) for result in results] == [Finding, Finding]


def test_who_is_missing_is_made() -> None:
    (change,) = changes([entry("p1")], [])

    assert (change.kind, change.before, change.after) == (Kind.CREATE, None, entry("p1"))


def test_who_left_before_they_were_written_is_not_made() -> None:
    gone = Entry("p1", "u1", False, {"cn": ("Anna",)}, only_if_present=True)

    assert list(compare([gone], [])) == []
    assert [change.kind for change in changes([gone], [entry("p1", "u1")])] == [Kind.DISABLE]


def test_only_an_explicit_word_removes() -> None:
    (change,) = changes([Gone("p1", "purged after the grace period")], [entry("p1")])

    assert (change.kind, change.after, change.reason) == (Kind.REMOVE, None, "purged after the grace period")


def test_who_is_gone_from_both_sides_is_nobodys_change() -> None:
    assert list(compare([Gone("p1", "purged")], [])) == []


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({}, {"attributes": {"cn": ("Ania",)}}, Kind.UPDATE),
        ({"name": "uold"}, {"name": "unew"}, Kind.RENAME),
        ({"enabled": True}, {"enabled": False, "name": "unew"}, Kind.DISABLE),
        ({"enabled": False}, {"enabled": True, "attributes": {"cn": ("Ania",)}}, Kind.ENABLE),
    ],
)
def test_a_change_is_named_after_its_gravest_difference(
    before: dict[str, object], after: dict[str, object], kind: Kind
) -> None:
    (change,) = changes([entry("p1", **after)], [entry("p1", **before)])  # type: ignore[arg-type]  # mixed columns

    assert change.kind is kind


def test_an_entry_in_another_place_is_moved() -> None:
    here, there = (Entry("p1", "u1", True, {}, place=place) for place in ("ou=a", "ou=b"))

    assert [change.kind for change in changes([there], [here])] == [Kind.MOVE]


def test_order_of_values_and_empty_attributes_mean_nothing() -> None:
    one = entry("p1", attributes={"mail": ("a", "b"), "title": ()})
    other = entry("p1", attributes={"mail": ("b", "a")})

    assert list(compare([one], [other])) == []
    assert one.digest == other.digest


@pytest.mark.parametrize("people", [["p2", "p1"], ["p1", "p1"]])
def test_a_stream_out_of_order_is_an_error_and_not_an_absence(people: list[str]) -> None:
    with pytest.raises(ValueError, match="not sorted"):
        list(compare([entry(person_id) for person_id in people], []))


@given(desired=WORLDS, observed=WORLDS)
def test_a_plan_carried_out_leaves_nothing_to_plan(
    desired: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
    observed: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
) -> None:
    there = {each.person_id: each for each in world(observed)}
    for change in changes([*world(desired)], world(observed)):
        assert change.before == there.get(change.person_id)
        assert change.after is not None
        there[change.person_id] = change.after

    again = list(compare(world(desired), [there[person_id] for person_id in sorted(there)]))

    assert [type(each) for each in again] == [Finding] * len(observed.keys() - desired.keys())


@given(one=WORLDS, other=WORLDS)
def test_digests_are_equal_exactly_when_entries_are(
    one: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
    other: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
) -> None:
    for first in world(one):
        assert Entry.from_json(first.person_id, first.to_json()) == first
        for second in world(other):
            same = Entry("p", second.name, second.enabled, second.attributes)
            mine = Entry("p", first.name, first.enabled, first.attributes)
            assert (mine.digest == same.digest) == (mine == same)


def test_differences_name_each_attribute_once_with_both_sides() -> None:
    before = entry("p1", "u1", attributes={"cn": ("Anna",), "mail": ("a@x",)})
    after = entry("p1", "u1", enabled=False, attributes={"cn": ("Anna",), "title": ("Dr",)})

    assert list(Change.update(before, after).differences()) == [
        ("(enabled)", ("true",), ("false",)),
        ("mail", ("a@x",), ()),
        ("title", (), ("Dr",)),
    ]
