"""What the rules make of a name before anybody sees it. Pure."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from idp.aliases.latin import latin
from idp.aliases.look_alikes import look_alike_key
from idp.aliases.proposals import FullName, proposals
from idp.aliases.refusals import MOST_CHARACTERS, NameRules, refusal_of


class Remark(StrEnum):
    """What a human may want to look at."""

    UNREADABLE = "unreadable"  # no letter that can be read: the person is asked, nothing is proposed
    TRANSLITERATED = "transliterated"  # from another script: the person may spell it otherwise
    SHORTENED = "shortened"  # the whole name is longer than an address may be
    REFUSED = "refused"  # the most usual form is refused by a rule, and another one is proposed first


@dataclass(frozen=True, slots=True)
class NamePreview:
    """What would be proposed to one person first, and what is remarkable about it."""

    first: str  # "" when nothing can be proposed
    usual: str  # given name and surname, as they would stand without any rule
    remarks: tuple[Remark, ...]
    refusal: str = ""  # the rule that refuses the usual form

    @property
    def looks_like(self) -> str:
        """The form that look-alikes share."""
        return look_alike_key(self.first)


def preview(name: FullName, rules: NameRules) -> NamePreview:
    """Return what would be proposed to a person of this name, were it free.

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
    """Say whether any letter is not Latin.

    Shape:   "Źdźbło" -> False; "Ørsted" -> False; "Шевченко" -> True; "李" -> True
    """
    return any(letter.isalpha() and not unicodedata.name(letter, "").startswith("LATIN") for letter in text)
