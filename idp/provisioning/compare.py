"""Compare the desired entries of some people with the entries that a target has. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from idp.provisioning.values import Change, Entry, Finding


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a read of some people in a target showed."""

    changes: list[Change] = field(default_factory=list)  # the writes that make the target match
    findings: list[Finding] = field(default_factory=list)
    shown: list[Entry] = field(default_factory=list)  # as desired
    absent: list[str] = field(default_factory=list)  # people of whom there is nothing, and nothing is required
    doubled: list[str] = field(default_factory=list)  # people with two entries: nothing is done about them


def compare(desired: Iterable[Entry], observed: Iterable[Entry]) -> Comparison:
    """Return what differs, and what does not, in the order of `desired`.

    Shape:   desired has each person at most once; observed is in any order
             a person who is only observed is a finding for a human, never a removal: absence is not deletion
    """
    there: dict[str, list[Entry]] = {}
    for entry in observed:
        there.setdefault(entry.person_id, []).append(entry)
    doubled = sorted(person_id for person_id, entries in there.items() if len(entries) > 1)
    comparison = Comparison(findings=[*map(Finding.doubled, doubled)], doubled=doubled)
    for entry in desired:
        match there.pop(entry.person_id, []):
            case [] if entry.only_if_present:
                comparison.absent.append(entry.person_id)
            case []:
                comparison.changes.append(Change.create(entry))
            case [existing] if existing == entry:
                comparison.shown.append(entry)
            case [existing]:
                comparison.changes.append(Change.update(before=existing, after=entry))
    orphans = [entries[0] for _, entries in sorted(there.items()) if len(entries) == 1]
    comparison.findings.extend(map(Finding.unexpected, orphans))
    return comparison
