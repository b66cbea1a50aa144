"""Preview the first proposal for a name and what is remarkable about it. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from idp.aliases.latin import latin
from idp.aliases.look_alikes import look_alike_key
from idp.aliases.proposals import FullName, proposals
from idp.aliases.refusals import MOST_CHARACTERS, NameRules, refusal_of
from idp.people.names import script_of


class Remark(StrEnum):
    """What a human may want to look at."""

    UNREADABLE = "unreadable"  # no readable letter: nothing is proposed, the person is asked
    TRANSLITERATED = "transliterated"  # from another script: the person may prefer another spelling
    SHORTENED = "shortened"  # the whole name is too long for an address
    REFUSED = "refused"  # a rule refuses the most usual form, so another form comes first


@dataclass(frozen=True, slots=True)
class NamePreview:
    """The first proposal for one person, and remarks about it."""

    first: str  # "" if nothing can be proposed
    usual: str  # given name and surname, before any rule
    remarks: tuple[Remark, ...]
    refusal: str = ""  # the rule that refuses the usual form

    @property
    def looks_like(self) -> str:
        """The form that look-alikes share."""
        return look_alike_key(self.first)


def preview(name: FullName, rules: NameRules) -> NamePreview:
    """Return the preview for a name, as if all addresses were free.

    Shape:   Ірина, Шевченко -> NamePreview("irina.shevchenko", …, (TRANSLITERATED,))
    """
    given = (name.given.split() or [""])[0]
    usual = ".".join(filter(None, (latin(given), latin(f"{name.surname_prefix} {name.surname}"))))
    wanted = proposals(name, rules)
    first = wanted[0] if wanted else ""
    remarks: list[Remark] = []
    if not usual:
        remarks.append(Remark.UNREADABLE)
    if is_of_another_script(given + name.surname_prefix + name.surname):
        remarks.append(Remark.TRANSLITERATED)
    if len(usual) > MOST_CHARACTERS:
        remarks.append(Remark.SHORTENED)
    refusal = refusal_of(usual, rules, name.words()) if usual and len(usual) <= MOST_CHARACTERS else None
    if refusal is not None:
        remarks.append(Remark.REFUSED)
    return NamePreview(first, usual, tuple(remarks), refusal.value if refusal else "")


def is_of_another_script(text: str) -> bool:
    """Return whether any letter is not Latin.

    Shape:   "Źdźbło" -> False; "Ørsted" -> False; "Шевченко" -> True; "李" -> True
    """
    return any(letter.isalpha() and script_of(letter) != "LATIN" for letter in text)
