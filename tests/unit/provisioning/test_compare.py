"""The comparison of desired and observed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.provisioning.compare import Comparison, compare
from idp.provisioning.values import Change, Entry, Finding, Kind
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


def changes(desired: list[Entry], observed: list[Entry]) -> list[Change]:
    return compare(desired, observed).changes


def test_a_truncated_import_removes_nobody() -> None:
    found = compare(desired=[], observed=[entry("p1"), entry("p2")])

    assert found == Comparison(findings=[Finding.unexpected(entry("p1")), Finding.unexpected(entry("p2"))])


def test_who_is_missing_is_made() -> None:
    (change,) = changes([entry("p1")], [])

    assert (change.kind, change.before, change.after) == (Kind.CREATE, None, entry("p1"))


def test_who_left_before_they_were_written_is_not_made() -> None:
    gone = Entry("p1", "u1", False, {"cn": ("Anna",)}, only_if_present=True)

    assert compare([gone], []) == Comparison(absent=["p1"])
    assert [change.kind for change in changes([gone], [entry("p1", "u1")])] == [Kind.DISABLE]


@given(desired=WORLDS, observed=WORLDS)
def test_no_comparison_removes_anybody(
    desired: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
    observed: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
) -> None:
    assert Kind.REMOVE not in {change.kind for change in changes(world(desired), world(observed))}


def test_nothing_is_done_about_a_person_with_two_entries() -> None:
    found = compare([entry("p1"), entry("p2")], [entry("p1"), entry("p2"), entry("p1", enabled=False)])

    assert found == Comparison(findings=[Finding.doubled("p1")], shown=[entry("p2")], doubled=["p1"])


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


def test_order_of_values_and_empty_attributes_mean_nothing() -> None:
    one = entry("p1", attributes={"mail": ("a", "b"), "title": ()})
    other = entry("p1", attributes={"mail": ("b", "a")})

    assert compare([one], [other]) == Comparison(shown=[one])
    assert one.digest == other.digest


@given(desired=WORLDS, observed=WORLDS)
def test_the_order_in_which_a_target_is_read_means_nothing(
    desired: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
    observed: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
) -> None:
    assert compare(world(desired), world(observed)[::-1]) == compare(world(desired), world(observed))


@given(desired=WORLDS, observed=WORLDS)
def test_a_plan_carried_out_leaves_nothing_to_plan(
    desired: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
    observed: dict[str, tuple[str, bool, dict[str, tuple[str, ...]]]],
) -> None:
    there = {each.person_id: each for each in world(observed)}
    for change in changes(world(desired), world(observed)):
        assert change.before == there.get(change.person_id)
        assert change.after is not None
        there[change.person_id] = change.after

    again = compare(world(desired), there.values())

    assert (again.changes, len(again.findings)) == ([], len(observed.keys() - desired.keys()))


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
