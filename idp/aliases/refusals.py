"""Rules that refuse mail names."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from email_validator import EmailNotValidError, validate_email

from idp.aliases.alias import has_alias_form
from idp.aliases.look_alikes import look_alike_key
from idp.aliases.settings import AliasSettings

MOST_CHARACTERS = 64  # RFC 5321 section 4.5.3.1.1
SYNTAX = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")


class Refusal(StrEnum):
    """Why a name is refused. The page has a sentence for each."""

    SYNTAX = "syntax"
    TOO_LONG = "too_long"
    PUNYCODE = "punycode"
    ALL_DIGITS = "all_digits"
    ALIAS_FORM = "alias_form"
    RESERVED = "reserved"
    OFFENSIVE = "offensive"


@dataclass(frozen=True, slots=True)
class NameRules:
    """The settings about names, prepared for comparison."""

    prefix: str
    domain: str
    reserved: frozenset[str]  # look-alike keys
    patterns: tuple[str, ...]
    offensive: frozenset[str]
    allowed: frozenset[str]


def name_rules(settings: AliasSettings, prefix: str, domain: str) -> NameRules:
    """Return the rules for names before `@domain`, with aliases that begin with `prefix`."""
    names = [*settings.reserved, *settings.staff_names, *_domain_names(domain)]
    return NameRules(
        prefix=prefix,
        domain=domain,
        reserved=frozenset(look_alike_key(name) for name in names if "*" not in name),
        patterns=tuple(name for name in names if "*" in name),
        offensive=frozenset(settings.offensive),
        allowed=frozenset(settings.allowed),
    )


def parse_local_part(text: str, domain: str) -> str:
    """Return the part before the @ of what a person typed, in lower case.

    Shape:   " Jan.Kowalski@student.po.edu.pl " -> "jan.kowalski"; nothing else is corrected
    """
    return text.strip().lower().removesuffix(f"@{domain}")


def refusal_of(local_part: str, rules: NameRules, own_words: AbstractSet[str] = frozenset()) -> Refusal | None:
    """Return why nobody may choose `local_part`, or None. The caller checks whether it is taken.

    Shape:   own_words: the words of the person's own name, which are never offensive
    Source:  docs/domain.md, mail names
    """
    if len(local_part) > MOST_CHARACTERS:
        return Refusal.TOO_LONG
    if not SYNTAX.fullmatch(local_part) or not _is_address(f"{local_part}@{rules.domain}"):
        return Refusal.PUNYCODE if "xn--" in local_part else Refusal.SYNTAX
    if local_part.isdecimal():
        return Refusal.ALL_DIGITS
    if looks_like_an_alias(local_part, rules.prefix):
        return Refusal.ALIAS_FORM
    if local_part in rules.allowed:
        return None
    if _is_reserved(local_part, rules):
        return Refusal.RESERVED
    if _words(local_part) & rules.offensive - own_words:
        return Refusal.OFFENSIVE
    return None


def looks_like_an_alias(local_part: str, prefix: str) -> bool:
    """Return whether `local_part` is, or looks like, an album's alias: `s12345`, `s.12345`, `sl2345`, `s1o`.

    The album need not exist: a name chosen today must not block the alias of a future student.
    """
    if has_alias_form(local_part, prefix):
        return True
    key = look_alike_key(local_part)
    rest = key.removeprefix(look_alike_key(prefix))
    return rest not in ("", key) and re.fullmatch(r"[0-9ol]+", rest) is not None


def _domain_names(domain: str) -> list[str]:
    """Return the domain and its parents: `student.po.edu.pl` -> that, `po.edu.pl`, `edu.pl`."""
    labels = domain.lower().split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def _is_reserved(local_part: str, rules: NameRules) -> bool:
    """Return whether a name, with or without the digits at its end, looks like a reserved one: `admin`, `admin2`."""
    plain = local_part.rstrip("0123456789").rstrip(".-")
    return any(
        look_alike_key(text) in rules.reserved or any(fnmatchcase(text, pattern) for pattern in rules.patterns)
        for text in {local_part, plain}
    )


def _is_address(address: str) -> bool:
    try:
        # test_environment allows domains under .test, which test installations use.
        validate_email(address, check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _words(local_part: str) -> set[str]:
    """Return the words of a name, also without the digits at their ends, and all of them joined."""
    words = re.split(r"[.-]", local_part)
    return {*words, *(word.rstrip("0123456789") for word in words), "".join(words)}
