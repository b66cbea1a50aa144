"""Explain a person: every value in every target, its rule and source, who wrote it when, and whether it is there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from idp.audit import event_types
from idp.audit.reading import latest
from idp.errors import IdpError, NotFound
from idp.people.catalogue import BY_KEY, ValueSource
from idp.people.status import Access
from idp.provisioning import provenance_queries
from idp.provisioning.pins import parts_of
from idp.provisioning.provenance_queries import Origin, ProgrammeOrigin
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.records import PersonRecords
from idp.provisioning.target import Target
from idp.provisioning.values import NAME, SWITCH, Entry

EVENTS = 500  # of one person, the newest, in which writes outside runs are looked for
SWITCH_RULE = "Whether the account works: the life cycle says so, unless a human keeps it closed."
FIXED_RULE = "The same for everybody in this target."


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    kind: str  # registry | choice | ours | role | lock | setting
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
        loaded = provisioner.load(connection, [person_id])
        if not loaded:
            raise NotFound("there is no such person")
        (person,) = loaded
        snapshot = person.snapshot
        # Programmes of records that were merged into this person count, too.
        records = [person_id, *(record.person_id for record in snapshot.merged)]
        programmes = tuple(
            one for record in records for one in provenance_queries.origins_of_programmes(connection, record)
        )
        origin, chosen = (
            provenance_queries.origin_of_person(connection, person_id),
            provenance_queries.chosen_at(connection, person_id),
        )
        writes = [
            _Write(one.change.target, frozenset(one.change.to_change().touched), one.at, one.requested_by, one.run_id)
            for one in provenance_queries.written_of(connection, person_id)
        ]
    writes += _writes_outside_runs(provisioner, person_id)
    known = _Known(provisioner, person, origin, programmes, chosen, writes)
    values: list[Value] = []
    errors: dict[str, str] = {}
    for kind, target in provisioner.targets.items():
        effective = provisioner.effective_entry(person, target)
        observed = None
        try:
            observed = target.read_one(person_id, effective.name)
        except IdpError as error:
            errors[kind] = str(error)
        values += known.values(target, effective, observed, answered=kind not in errors)
    status = snapshot.status
    return Explanation(
        person_id=snapshot.person_id,
        uid=snapshot.uid,
        album=snapshot.album,
        name=snapshot.display_name,
        access=status.access,
        reason=status.reason.value,
        changes_on=status.changes_on.isoformat() if status.changes_on else "",
        programmes=programmes,
        values=tuple(values),
        errors=errors,
    )


@dataclass(frozen=True, slots=True)
class _Write:
    """One write of the person in one target that is known of."""

    target: str
    attributes: frozenset[str]
    at: datetime | None = None
    by: str = ""
    run_id: str = ""


_NEVER = _Write("", frozenset())


def _writes_outside_runs(provisioner: Provisioner, person_id: str) -> Iterator[_Write]:
    """Yield writes made at once: only the journal knows of them."""
    for event in latest(provisioner.databases, EVENTS, event_types.TARGET_CHANGED, [person_id]):
        data = event["data"]
        if event["subject"] == person_id and event["kind"] == event_types.TARGET_CHANGED and not data.get("run"):
            at = datetime.fromtimestamp(event["at"], UTC)
            yield _Write(data["target"], frozenset(data["attributes"]), at, event["actor"])


@dataclass(frozen=True, slots=True)
class _Known:
    """What we know of a person."""

    provisioner: Provisioner
    person: PersonRecords
    origin: Origin | None
    programmes: Iterable[ProgrammeOrigin]
    chosen: datetime | None
    writes: Iterable[_Write]

    def values(self, target: Target, effective: Entry, observed: Entry | None, *, answered: bool) -> Iterator[Value]:
        """Yield every attribute in one target."""
        should, has = parts_of(effective), parts_of(observed) if observed else {}
        for name in (NAME, SWITCH, *target.attributes):
            value = should.get(name, ())
            rule, sentence, words = _rule(target, name)
            write = next((one for one in self.writes if one.target == target.kind and name in one.attributes), _NEVER)
            yield Value(
                target=target.kind,
                attribute=name,
                effective=value,
                observed=has.get(name, ()) if observed else None,
                is_there=None if not answered else observed is not None and has.get(name, ()) == value,
                rule=rule,
                sentence=sentence,
                sources=tuple(source for word in words for source in self.sources(word)),
                kept_by=self.kept_by(target, name, value),
                written_at=write.at,
                written_by=write.by,
                run_id=write.run_id,
            )

    def kept_by(self, target: Target, part: str, effective: tuple[str, ...]) -> str:
        """Return why a value is not what the records ask for."""
        kept = self.person.kept.of_target(target.kind)
        if any((override.attribute, override.kept) == (part, effective) for override in kept.overrides):
            return "override"
        return "pin" if any(pin.kept.get(part) == effective for pin in kept.pins) else ""

    def sources(self, word: str) -> Iterator[Source]:
        """Yield what stands behind a source of the catalogue."""
        match word:
            case ValueSource.RECORD:
                yield _row("the person's row", self.origin)
            case ValueSource.ENROLMENTS:
                rows = [_row(f"programme {one.programme}: {one.status}", one.origin) for one in self.programmes]
                yield from rows or [Source("registry", "no programme")]
            case ValueSource.CHOICE:
                yield Source("choice", "chosen by the student" if self.chosen else "not chosen yet", at=self.chosen)
            case ValueSource.GENERATED:
                yield Source("ours", "made by us when the person was first seen")
            case ValueSource.ROLE:
                yield Source("role", "given by an administrator")
            case ValueSource.LOCK if self.person.snapshot.is_locked:
                yield Source("lock", "a human locked the account")
            case ValueSource.LOCK:
                return
            case _:
                section, _, name = word.partition(".")
                yield Source("setting", f"[{section}] {name} = {getattr(self.provisioner.people, name)}")


def _rule(target: Target, attribute: str) -> tuple[str, str, tuple[str, ...]]:
    """Return rule, sentence and words of sources of one attribute."""
    if attribute == SWITCH:
        return "access", SWITCH_RULE, (ValueSource.ENROLMENTS, ValueSource.LOCK)
    key = "uid" if attribute == NAME else target.attributes[attribute]
    if not isinstance(key, str):
        return "fixed", FIXED_RULE, ()
    return key, BY_KEY[key].description, BY_KEY[key].sources


def _row(text: str, origin: Origin | None) -> Source:
    if origin is None:
        return Source("registry", text)
    return Source("registry", text, origin.file_name or f"import {origin.import_id}", origin.line, origin.taken_at)
