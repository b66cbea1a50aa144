"""Explain a person: every value in every target, its rule and source, who wrote it when, and whether it is there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from idp.audit import event_types
from idp.audit.reading import latest
from idp.errors import IdpError, NotFound
from idp.people.catalogue import BY_KEY, ValueSource
from idp.people.merge_queries import merges_of
from idp.people.settings import PeopleSettings
from idp.people.status import Access
from idp.provisioning.pins import Kept, effective_entry, parts_of
from idp.provisioning.provenance_queries import (
    Origin,
    ProgrammeOrigin,
    Written,
    chosen_at,
    origin_of_person,
    origins_of_programmes,
    written_of,
)
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords, load_records
from idp.provisioning.target import Target
from idp.provisioning.undo import sides
from idp.provisioning.values import NAME, SWITCH, Change, Entry, Kind

EVENTS = 500  # of one person, the newest, in which writes outside runs are looked for
SWITCH_RULE = "Whether the account works: the life cycle says so, unless a human keeps it closed."
FIXED_RULE = "The same for everybody in this target."


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    kind: str  # registry | choice | setting | ours | hold
    text: str
    file: str = ""
    line: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One attribute of one person in one target."""

    target: str
    attribute: str
    effective: tuple[str, ...]
    observed: tuple[str, ...] | None  # None: the target did not answer, or has no entry
    is_there: bool | None  # None: the target did not answer
    rule: str
    sentence: str
    sources: tuple[Source, ...]
    kept_by: str = ""  # pin | override: why it is not what the records ask for
    written_at: datetime | None = None
    written_by: str = ""
    run_id: str = ""  # "" with a time: at once, outside a run


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one person."""

    person_id: str
    uid: str
    album: str | None
    name: str
    access: Access
    reason: str
    changes_on: str  # the day on which time alone may change this, or ""
    programmes: tuple[ProgrammeOrigin, ...]
    values: tuple[Value, ...]
    errors: Mapping[str, str] = field(default_factory=dict)  # of targets that did not answer


def explain_person(provisioner: Provisioner, person_id: str) -> Explanation:
    """Return what every target should have of a person and why, and what it has.

    Raises:  NotFound; a target that does not answer is part of the answer
    """
    with provisioner.databases.identity.read() as connection:
        loaded = load_records(connection, [person_id], provisioner.people, provisioner.today())
        origin = origin_of_person(connection, person_id)
        # Programmes of records that were merged into this person count, too.
        records = [person_id, *(one.merged for one in merges_of(connection, [person_id]) if one.kept == person_id)]
        programmes = tuple(one for record in records for one in origins_of_programmes(connection, record))
        chosen = chosen_at(connection, person_id)
        written = written_of(connection, person_id)
    if not loaded:
        raise NotFound("there is no such person")
    (found,) = loaded
    sources = _Sources(found, origin, programmes, chosen, provisioner.people)
    history = [*_from_runs(written), *_from_events(provisioner, person_id)]
    values: list[Value] = []
    errors: dict[str, str] = {}
    for kind, target in provisioner.targets.items():
        effective = effective_entry(found.snapshot, target, found.kept, provisioner.targets.values())
        try:
            observed = target.read_one(person_id, effective.name)
        except IdpError as error:
            errors[kind] = str(error)
            observed = None
        values += _values_in(target, found.kept, effective, observed, sources, history, answered=kind not in errors)
    person, now = found.snapshot, found.snapshot.status
    return Explanation(
        person_id=person.person_id,
        uid=person.uid,
        album=person.album,
        name=person.display_name,
        access=now.access,
        reason=now.reason.value,
        changes_on=now.changes_on.isoformat() if now.changes_on else "",
        programmes=programmes,
        values=tuple(values),
        errors=errors,
    )


# --- values ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Write:
    """One write of one person in one target that is known of."""

    target: str
    attributes: frozenset[str]
    at: datetime | None
    by: str
    run_id: str


def _values_in(
    target: Target,
    kept: Kept,
    effective: Entry,
    observed: Entry | None,
    sources: "_Sources",
    history: Sequence[_Write],
    *,
    answered: bool,
) -> Iterable[Value]:
    should, has = parts_of(effective), parts_of(observed) if observed else {}
    for name in (NAME, SWITCH, *target.attributes):
        own = should.get(name, ())
        rule, sentence, words_of_source = _rule(target, name)
        write = next((each for each in history if each.target == target.kind and name in each.attributes), None)
        yield Value(
            target=target.kind,
            attribute=name,
            effective=own,
            observed=has.get(name, ()) if observed else None,
            is_there=None if not answered else observed is not None and has.get(name, ()) == own,
            rule=rule,
            sentence=sentence,
            sources=tuple(source for word in words_of_source for source in sources.of(word)),
            kept_by=_kept_by(kept, target, name, own),
            written_at=write.at if write else None,
            written_by=write.by if write else "",
            run_id=write.run_id if write else "",
        )


def _kept_by(kept: Kept, target: Target, part: str, effective: tuple[str, ...]) -> str:
    for override in kept.overrides:
        if (override.target, override.attribute, override.kept) == (target.kind, part, effective):
            return "override"
    is_pinned = any(pin.target == target.kind and pin.kept.get(part) == effective for pin in kept.pins)
    return "pin" if is_pinned else ""


def _rule(target: Target, attribute: str) -> tuple[str, str, tuple[str, ...]]:
    """Return rule, sentence and words of sources of one attribute."""
    if attribute == SWITCH:
        return "access", SWITCH_RULE, (ValueSource.ENROLMENTS, ValueSource.LOCK)
    if attribute == NAME:
        return "uid", BY_KEY["uid"].description, BY_KEY["uid"].sources
    made_of = target.attributes.get(attribute, ())
    if not isinstance(made_of, str):
        return "fixed", FIXED_RULE, ()
    of_catalogue = BY_KEY[made_of]
    return made_of, of_catalogue.description, of_catalogue.sources


# --- who wrote it ---------------------------------------------------------------------------------------------------


def _from_runs(written: Iterable[Written]) -> Iterable[_Write]:
    for one in written:
        before, after = sides(one.change)
        change = Change(Kind(one.change.kind), one.change.person_id, before, after, one.change.reason)
        names = frozenset(name for name, _, _ in change.differences())
        yield _Write(one.change.target, names, one.at, one.requested_by, one.run_id)


def _from_events(provisioner: Provisioner, person_id: str) -> Iterable[_Write]:
    """Yield writes made at once, outside runs: only the journal knows of them."""
    for event in latest(provisioner.databases, EVENTS, event_types.TARGET_CHANGED, [person_id]):
        data = event["data"]
        if event["subject"] == person_id and event["kind"] == event_types.TARGET_CHANGED and not data.get("run"):
            at = datetime.fromtimestamp(event["at"], UTC)
            yield _Write(data["target"], frozenset(data["attributes"]), at, event["actor"], "")


# --- where it comes from --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sources:
    records: PersonRecords
    origin: Origin | None
    programmes: Sequence[ProgrammeOrigin]
    chosen: datetime | None
    people: PeopleSettings

    def of(self, word: str) -> Iterable[Source]:
        """Yield what stands behind a source of the catalogue."""
        if word == ValueSource.RECORD:
            yield _row("the person's row", self.origin)
        elif word == ValueSource.ENROLMENTS:
            yield from self._programmes()
        elif word == ValueSource.CHOICE:
            yield Source("choice", "chosen by the student" if self.chosen else "not chosen yet", at=self.chosen)
        elif word == ValueSource.GENERATED:
            yield Source("ours", "made by us when the person was first seen")
        elif word == ValueSource.ROLE:
            yield Source("role", "given by an administrator")
        elif word != ValueSource.LOCK:
            section, _, name = word.partition(".")
            yield Source("setting", f"[{section}] {name} = {getattr(self.people, name)}")
        elif self.records.snapshot.is_locked:
            yield Source("hold", "a human keeps the account closed")

    def _programmes(self) -> Iterable[Source]:
        for one in self.programmes:
            yield _row(f"programme {one.programme}: {one.status}", one.origin)
        if not self.programmes:
            yield Source("registry", "no programme")


def _row(text: str, origin: Origin | None) -> Source:
    if origin is None:
        return Source("registry", text)
    return Source("registry", text, origin.file_name or f"import {origin.import_id}", origin.line, origin.taken_at)
