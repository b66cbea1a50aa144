"""Propose mail names from a person's name in the registry."""

from collections.abc import Iterator
from dataclasses import dataclass

from idp.aliases.latin import latin
from idp.aliases.refusals import MOST_CHARACTERS, NameRules, refusal_of

MOST_NAMESAKES = 100_000
# Particles of surnames. Alone they name nobody (`juan.de` of Juan de la Cruz).
PARTICLES = frozenset(
    {
        *("a", "af", "al", "av", "bin", "da", "das", "de", "del", "della", "den", "der", "des", "di", "do", "dos"),
        *("du", "e", "el", "i", "ibn", "la", "las", "le", "les", "los", "of", "san", "santa", "st", "ten", "ter"),
        *("van", "vom", "von", "y", "z", "zu", "zum", "zur"),
    }
)


@dataclass(frozen=True, slots=True)
class FullName:
    """The parts of a name in the registry's spelling. Any of them may be empty."""

    given: str
    middle: str
    surname_prefix: str
    surname: str

    def words(self) -> frozenset[str]:
        """Return the words of the name in plain letters."""
        names = (self.given, self.middle, self.surname_prefix, self.surname)
        return frozenset(word for name in names for word in latin(name).split("-") if word)


def proposals(name: FullName, rules: NameRules) -> tuple[str, ...]:
    """Return proposals, the most usual first. The caller checks whether they are free.

    Shape:   Żaneta, Źdźbło - Ćwik -> ("zaneta.zdzblo-cwik", "z.zdzblo-cwik", "zaneta.zdzblo", …);
             empty if the name has no readable letter: the person is asked, and nothing is invented
    Source:  docs/domain.md, mail names
    """
    first, middle = latin(_first(name.given)), latin(_first(name.middle))
    last = latin(f"{name.surname_prefix} {name.surname}")
    forms: list[tuple[str, ...]]
    if not first or not last:  # a person with one name
        forms = [(first, last)]
    else:
        parts = latin(name.surname).split("-")
        words = [part for part in parts if len(parts) > 1 and len(part) > 1 and part not in PARTICLES]
        forms = [
            (first, last),
            (first[:1], last),
            (first, middle, last),
            (first, middle[:1], last),
            *((first, word) for word in words),
            (last, first),
        ]
    names = dict.fromkeys(shortened(".".join(filter(None, form))) for form in forms)
    return tuple(text for text in names if len(text) > 1 and refusal_of(text, rules, name.words()) is None)


def numbered(name: str, rules: NameRules) -> Iterator[str]:
    """Yield `name2`, `name3`, … for a name that is taken. Each is checked again: `s2` has the form of an alias."""
    for number in range(2, MOST_NAMESAKES):
        proposal = shortened(name, MOST_CHARACTERS - len(str(number))) + str(number)
        # The words passed the rules as part of `name`. Only the form is new.
        if refusal_of(proposal, rules, frozenset(name.replace(".", "-").split("-"))) is None:
            yield proposal


def shortened(name: str, most: int = MOST_CHARACTERS) -> str:
    """Return `name` cut to `most` characters, at the last hyphen that leaves a word behind the dot."""
    if len(name) <= most:
        return name
    hyphen = name.rfind("-", name.find(".") + 2, most + 1)
    return name[: hyphen if hyphen > 0 else most].rstrip(".-")


def _first(names: str) -> str:
    """`Anna Maria` -> `Anna`; a hyphenated name is one name."""
    return (names.split() or [""])[0]
