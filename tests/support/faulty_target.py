"""Targets that keep entries in memory and fail as a test says."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from idp.errors import TargetRejected, TargetUnavailable
from idp.provisioning.target import Stage
from idp.provisioning.targets.ldap import ATTRIBUTES
from idp.provisioning.values import Change, Entry, Outcome


@dataclass
class FaultyTarget:
    """Entries by person, and the faults."""

    kind: str = "faulty"
    stage: Stage = Stage.MAIL
    entry_name: str = "uid"
    entries: dict[str, Entry] = field(default_factory=dict)
    is_away: bool = False
    naps: int = 0  # so often it does not answer; then it does
    asks_for_s: float | None = None  # the pause that it asks for while it does not answer
    shows_later: bool = False  # takes a write, and shows it when it catches up
    refuses: set[str] = field(default_factory=set)  # people
    hangs_up_on: set[str] = field(default_factory=set)  # people whose change ends the connection
    forgets: bool = False  # says yes and keeps nothing
    doubles: set[str] = field(default_factory=set)  # people of whom it has two entries with our mark
    did: list[tuple[str, str]] = field(default_factory=list)  # (kind of change, person)
    shared: list[tuple[str, str]] = field(default_factory=list)  # (target, kind of change), of several targets
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=lambda: ATTRIBUTES)
    taken: set[str] = field(default_factory=set)  # names of entries that are not ours
    notes: dict[str, str] = field(default_factory=dict)  # by person: what others added to our entry
    accepted: dict[str, Entry] = field(default_factory=dict)  # by person, what it does not show yet
    meanwhile: list[Callable[[], object]] = field(default_factory=list)  # what others do while we read, once each

    def read(self, person_ids: Sequence[str] | None = None, names: Mapping[str, str] | None = None) -> Iterator[Entry]:
        del names
        self.ping()
        while self.meanwhile:
            self.meanwhile.pop()()
        for entry in [each for each in self.entries.values() if person_ids is None or each.person_id in person_ids]:
            yield from [entry, replace(entry, name="copy")] if entry.person_id in self.doubles else [entry]

    def apply(self, changes: Iterable[Change]) -> Iterator[Outcome]:
        for change in changes:
            self.ping()
            try:
                self._refuse(change)
                self._write(change)
            except TargetRejected as error:
                yield Outcome(change, error)
            else:
                yield Outcome(change, is_accepted=self.shows_later)

    def read_one(self, person_id: str, name: str) -> Entry | None:
        self.ping()
        if name in self.taken and person_id not in self.entries:
            raise TargetRejected("this name is not ours")
        return self.entries.get(person_id)

    def apply_one(self, change: Change) -> Outcome:
        self.ping()
        self._refuse(change)
        self._write(change)
        return Outcome(change, is_accepted=self.shows_later)

    def catch_up(self) -> None:
        """Show what was accepted."""
        self.entries.update(self.accepted)
        self.accepted.clear()

    def ping(self) -> None:
        if self.is_away or self.naps > 0:
            self.naps -= 1
            raise TargetUnavailable("gone for lunch", retry_after_s=self.asks_for_s)

    def close(self) -> None:
        pass

    def _refuse(self, change: Change) -> None:
        if change.person_id in self.refuses:
            raise TargetRejected("we do not take this one")
        if change.after is not None and change.after.name in self.taken:
            raise TargetRejected("this name is not ours")

    def person_of(self, name: str) -> str:
        """Return whose entry has a name."""
        return next(person_id for person_id, entry in self.entries.items() if entry.name == name)

    def _write(self, change: Change) -> None:
        if change.person_id in self.hangs_up_on:
            raise TargetUnavailable("hung up")
        self.did.append((change.kind.value, change.person_id))
        self.shared.append((self.kind, change.kind.value))
        if change.after is None:
            self.entries.pop(change.person_id, None)
        elif self.shows_later:
            self.accepted[change.person_id] = change.after
        elif not self.forgets:
            self.entries[change.person_id] = change.after


@dataclass
class LostResponseTarget(FaultyTarget):
    """Makes the change, and goes away before it answers."""

    loses_responses: bool = False

    def _write(self, change: Change) -> None:
        super()._write(change)
        if self.loses_responses:
            self.is_away = True
            raise TargetUnavailable("the answer was lost")

    def comes_back(self) -> None:
        self.loses_responses = self.is_away = False
