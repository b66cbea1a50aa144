"""A new intake's mail names before anybody sees them: who collides with whom, what was transliterated or cut."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from idp.aliases.preview import NamePreview, preview
from idp.aliases.proposals import FullName
from idp.aliases.refusals import NameRules
from idp.db.databases import Databases
from idp.people.address_queries import named_among, taken_among
from idp.registry.reading import ReadPerson

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class IntakePerson:
    """One person of a file who has no mail name yet, and what would be proposed first."""

    os_id: str
    line: int
    album: str | None
    name: str
    mail_name: NamePreview


@dataclass(frozen=True, slots=True)
class Namesakes:
    """Several people to whom one name would be proposed first, or one whose name is taken."""

    mail_name: str
    is_taken: bool  # somebody has or had it, or one that looks like it
    people: tuple[IntakePerson, ...]


@dataclass(frozen=True, slots=True)
class IntakePreview:
    """What a file would bring."""

    people: int
    with_name: int  # who have a mail name already
    bad: tuple[int, ...]  # lines of people whose rows are all bad
    without_name: int
    remarks: dict[str, int]
    remarkable: tuple[IntakePerson, ...]
    namesakes: tuple[Namesakes, ...]  # the largest groups first


def preview_intake(databases: Databases, people: Iterable[ReadPerson], rules: NameRules) -> IntakePreview:
    """Return what the rules make of the names of everybody in a file who has no mail name yet.

    Effect:  none; what is free today may be taken when they come, for each chooses for himself
    """
    unnamed: list[IntakePerson] = []
    bad: list[int] = []
    count = with_name = 0
    taken: set[str] = set()
    iterator = iter(people)
    while some := list(islice(iterator, AT_ONCE)):
        count += len(some)
        bad += [person.line for person in some if person.identity is None]
        with databases.identity.read() as connection:
            named = named_among(connection, [person.os_id for person in some])
        with_name += len(named)
        fresh = [_intake_person(person, rules) for person in some if person.identity and person.os_id not in named]
        asked = {_whole(each, rules) for each in fresh if each.mail_name.first}
        with databases.identity.read() as connection:
            taken |= taken_among(connection, asked)
        unnamed += fresh
    remarks = Counter(remark.value for each in unnamed for remark in each.mail_name.remarks)
    return IntakePreview(
        people=count,
        with_name=with_name,
        bad=tuple(bad),
        without_name=len(unnamed),
        remarks=dict(remarks),
        remarkable=tuple(each for each in unnamed if each.mail_name.remarks),
        namesakes=tuple(_namesakes(unnamed, taken, rules)),
    )


def _intake_person(person: ReadPerson, rules: NameRules) -> IntakePerson:
    identity = person.identity
    assert identity is not None  # asked for by the caller
    name = FullName(identity.given_name, identity.middle_name, identity.surname_prefix, identity.surname)
    return IntakePerson(person.os_id, person.line, identity.album, identity.display_name, preview(name, rules))


def _namesakes(unnamed: Sequence[IntakePerson], taken: set[str], rules: NameRules) -> list[Namesakes]:
    groups: dict[str, list[IntakePerson]] = defaultdict(list)
    for each in unnamed:
        if each.mail_name.first:
            groups[_whole(each, rules)].append(each)
    found = [
        Namesakes(group[0].mail_name.first, looks_like in taken, tuple(group))
        for looks_like, group in groups.items()
        if len(group) > 1 or looks_like in taken
    ]
    return sorted(found, key=lambda one: (-len(one.people), one.mail_name))


def _whole(each: IntakePerson, rules: NameRules) -> str:
    return f"{each.mail_name.looks_like}@{rules.domain}"
