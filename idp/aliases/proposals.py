"""Mail names proposed to a person from the name in the registry."""

from collections.abc import Iterator
from dataclasses import dataclass

from idp.aliases.latin import latin
from idp.aliases.refusals import MOST_CHARACTERS, NameRules, refusal_of

MOST_NAMESAKES = 100_000


@dataclass(frozen=True, slots=True)
class FullName:
    """The parts of a name as the registry spells them; any of them may be empty."""

    given: str
    middle: str
    surname_prefix: str
    surname: str

    def words(self) -> frozenset[str]:
        """Return the single words in plain letters."""
        names = (self.given, self.middle, self.surname_prefix, self.surname)
        return frozenset(word for name in names for word in latin(name).split("-") if word)


def proposals(name: FullName, rules: NameRules) -> tuple[str, ...]:
    """Return names worth proposing, the most usual first; whether they are free is not asked here.

    Shape:   Żaneta, Źdźbło - Ćwik -> ("zaneta.zdzblo-cwik", "z.zdzblo-cwik", "zaneta.zdzblo", …);
             empty when the name has no readable letter: then the person is asked, nothing is invented
    Source:  docs/domain.md, mail names
    """
    first, middle = latin(_first(name.given)), latin(_first(name.middle))
    last = latin(f"{name.surname_prefix} {name.surname}")
    parts = latin(name.surname).split("-")
    wanted = [
        (first, last),
        (first[:1], last),
        (first, middle, last),
        (first, middle[:1], last),
        *((first, part) for part in parts if len(parts) > 1),
        (last, first),
    ]
    names = dict.fromkeys(shortened(".".join(filter(None, each))) for each in wanted)
    return tuple(each for each in names if each and refusal_of(each, rules, name.words()) is None)


def numbered(name: str, rules: NameRules) -> Iterator[str]:
    """Yield `name2`, `name3`, … for a name that is taken; each is checked again, because `s` + 2 is an alias's form."""
    for number in range(2, MOST_NAMESAKES):
        proposal = shortened(name, MOST_CHARACTERS - len(str(number))) + str(number)
        # The words are those of the name itself, which has been through the rules; only the form is new.
        if refusal_of(proposal, rules, frozenset(name.replace(".", "-").split("-"))) is None:
            yield proposal


def shortened(name: str, most: int = MOST_CHARACTERS) -> str:
    """Return `name` cut to at most `most` characters, at the last hyphen that leaves something behind the dot."""
    if len(name) <= most:
        return name
    hyphen = name.rfind("-", name.find(".") + 2, most + 1)
    return name[: hyphen if hyphen > 0 else most].rstrip(".-")


def _first(names: str) -> str:
    """`Anna Maria` -> `Anna`; a hyphenated name is one name."""
    return (names.split() or [""])[0]
