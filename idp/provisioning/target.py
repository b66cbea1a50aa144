"""The port: what every target system implements, and what some can do besides.

A target outside this repository is a module with `KIND`, `Settings` and `open_target` (idp.provisioning.targets). Its
distribution names the module in the entry point group `idp.targets`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from idp.provisioning.values import Change, Entry, Outcome


class Stage(StrEnum):
    """What a target is for. Runs disable in this order and enable in reverse order."""

    ACCESS = "access"
    DIRECTORY = "directory"
    IDENTITY_PROVIDER = "identity_provider"
    MAIL = "mail"

    @property
    def position(self) -> int:
        """The place in the order; 0 is disabled first."""
        return list(Stage).index(self)


class Target(Protocol):
    """A system that we write to.

    A target marks its entries as ours (`idpOwner` in LDAP). It reads and writes no others. Every write compares and
    sets the state after the change, so a repeat is harmless.

    A target that asks for a pause raises TargetUnavailable with `retry_after_s`. A target that takes a write and shows
    it later says so in the outcome (`Outcome.is_accepted`): the change is then read again, not written again.
    """

    @property
    def kind(self) -> str:
        """Its name in settings, runs and tables."""

    @property
    def stage(self) -> Stage:
        """What it is for: this decides the order of writes."""

    @property
    def entry_name(self) -> str:
        """The catalogue key of the name that it knows an entry by."""

    @property
    def attributes(self) -> Mapping[str, str | tuple[str, ...]]:
        """For each managed attribute the catalogue key that it is made of, or values that are the same for all."""

    def read(self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None) -> Iterator[Entry]:
        """Yield our entries, all or these people's, in any order, without holding them all.

        Shape:   names: entry names by person, where the caller knows them; some targets find a name faster
        Raises:  TargetUnavailable, TargetRejected; a part is never passed off as the whole
        """

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        """Make changes, many in flight, and yield the outcomes in the same order.

        Raises:  TargetUnavailable when the target went away: a change without an outcome is in doubt
        """

    def read_one(self, person_id: str, name: str) -> Entry | None:
        """Return one person's entry at once, over a kept connection.

        Raises:  TargetUnavailable; TargetRejected when the name belongs to an entry that is not ours
        """

    def apply_one(self, change: Change) -> Outcome:
        """Make one change at once, over a kept connection, and return its outcome.

        Raises:  TargetUnavailable, TargetRejected
        """

    def ping(self) -> None:
        """Return if the target answers.

        Raises:  TargetUnavailable
        """

    def close(self) -> None:
        """Close the connections."""


def in_stage_order(targets: Iterable[Target]) -> dict[str, Target]:
    """Return targets by kind in the order of their stages, within a stage by kind."""
    return {target.kind: target for target in sorted(targets, key=lambda each: (each.stage.position, each.kind))}


def entries_named(target: Target, names: Mapping[str, str]) -> dict[str, Entry]:
    """Return some people's entries by person.

    Shape:   names: by person what the target should know the entry by; some targets find a name faster than a person
    """
    return {entry.person_id: entry for entry in target.read(list(names), names)}


@runtime_checkable
class ReadsDigests(Protocol):
    """A target that tells digests without an Entry of each. Comparing everybody then costs less than half."""

    def digests(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, digest) of all our entries, in any order, equal to the digests of `Target.read`."""


@runtime_checkable
class WritesLdif(Protocol):
    """A target whose own tools load entries from LDIF."""

    def ldif(self, entry: Entry) -> str:
        """Return an entry, as a create would make it, followed by an empty line."""


def digests_in(target: Target) -> Iterator[tuple[str, str]]:
    """Yield (person_id, digest) of all our entries in a target."""
    if isinstance(target, ReadsDigests):
        return target.digests()
    return ((entry.person_id, entry.digest) for entry in target.read())


@dataclass(frozen=True, slots=True)
class ObservedChange:
    """An entry of ours that the target reports as made or changed, by us or by others."""

    remote_id: str  # the target's own key of the entry
    entry: Entry
    by_others: bool  # somebody else wrote it last


@dataclass(frozen=True, slots=True)
class ObservedChanges:
    """What happened in a target since it was last read."""

    cursor: str  # how far these changes go; of any length
    changed: Sequence[ObservedChange]
    gone: Sequence[str]  # remote ids of entries that are no longer there, or no longer ours


@runtime_checkable
class ReadsChanges(Protocol):
    """A target that tells what changed in it, deletions too, without being read whole."""

    @property
    def drift(self) -> Mapping[str, str]:
        """By attribute what becomes of a value that somebody else wrote: repair (the default), report, adopt."""

    def cursor_now(self) -> str:
        """Return a cursor from which later changes can be read."""

    def changes_since(self, cursor: str) -> ObservedChanges | None:
        """Return what changed since `cursor`; None when the target cannot tell any more and must be read whole.

        Raises:  TargetUnavailable, TargetRejected
        """

    def remote_ids(self) -> Iterator[tuple[str, str]]:
        """Yield (person_id, remote_id) of all our entries."""
