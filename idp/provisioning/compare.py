"""Compare desired with observed, person by person, in one pass over two sorted streams. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from idp.provisioning.values import Change, Entry, Finding, Gone

One = TypeVar("One", bound=Entry | Gone)


def compare(desired: Iterable[Entry | Gone], observed: Iterable[Entry]) -> Iterator[Change | Finding]:
    """Yield the writes that turn `observed` into `desired`.

    Shape:   both streams sorted by person_id, each person at most once
    Effect:  none; a person who is only observed is a Finding for a human, never a removal:
             absence is not deletion, only a Gone with its reason is
    """
    for wanted, found in merge_by_person(desired, observed):
        match wanted, found:
            case None, Entry():
                yield Finding.unexpected(found)
            case Gone(reason=reason), Entry():
                yield Change.remove(found, reason)
            case Entry(only_if_present=False), None:
                yield Change.create(wanted)
            case Entry(), Entry() if wanted != found:
                yield Change.update(before=found, after=wanted)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a read of some people in a target showed."""

    changes: Sequence[Change]
    findings: Sequence[Finding]
    shown: Sequence[tuple[str, str]]  # (person_id, digest) that are as desired
    absent: Sequence[str]  # people of whom there is nothing, and nothing is required
    doubled: Sequence[str]  # people with two entries: nothing is done about them


def compare_some(desired: Sequence[tuple[Entry, str]], observed: Iterable[Entry]) -> Compared:
    """Return what differs in some people, and what does not.

    Shape:   desired: entries with their digests, sorted by person_id; observed: in any order
    """
    there = sorted(observed, key=lambda entry: entry.person_id)
    counts = Counter(entry.person_id for entry in there)
    doubled = sorted(person_id for person_id, count in counts.items() if count > 1)
    single = {entry.person_id: entry for entry in there if counts[entry.person_id] == 1}
    mine = [(entry, digest) for entry, digest in desired if counts[entry.person_id] <= 1]
    results = list(compare((entry for entry, _ in mine), single.values()))
    return Compared(
        changes=[each for each in results if isinstance(each, Change)],
        findings=[*map(Finding.doubled, doubled), *(each for each in results if isinstance(each, Finding))],
        shown=[(entry.person_id, digest) for entry, digest in mine if single.get(entry.person_id) == entry],
        absent=[entry.person_id for entry, _ in mine if entry.only_if_present and entry.person_id not in single],
        doubled=doubled,
    )


def merge_by_person(
    desired: Iterable[Entry | Gone], observed: Iterable[Entry]
) -> Iterator[tuple[Entry | Gone | None, Entry | None]]:
    """Yield each person once, with both sides where there are both.

    Raises:  ValueError when a stream is not sorted: a silent mistake here would look like absence
    """
    left, right = _sorted(desired), _sorted(observed)
    wanted, found = next(left, None), next(right, None)
    while wanted is not None or found is not None:
        if found is None or (wanted is not None and wanted.person_id < found.person_id):
            yield wanted, None
            wanted = next(left, None)
        elif wanted is None or found.person_id < wanted.person_id:
            yield None, found
            found = next(right, None)
        else:
            yield wanted, found
            wanted, found = next(left, None), next(right, None)


def _sorted(people: Iterable[One]) -> Iterator[One]:
    last = ""
    for each in people:
        if each.person_id <= last:
            raise ValueError(f"not sorted, or twice: {each.person_id}")
        last = each.person_id
        yield each
