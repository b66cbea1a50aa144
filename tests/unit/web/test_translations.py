"""Both languages are complete: English is in the code, Polish in the catalogue."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import read_po

import idp
from idp.web.languages import CATALOGUES, LANGUAGES

CODE = Path(idp.__file__).parent
MAPPING = CODE.parent / "babel.cfg"
KEYWORDS = DEFAULT_KEYWORDS | parse_keywords(["lazy_gettext", "lazy_ngettext:1,2"])
IN_CODE = "en"  # the language of the texts themselves
TRANSLATED = [language for language in LANGUAGES if language != IN_CODE]

Key = str | tuple[str, ...]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_the_code_is_in_the_catalogue(language: str) -> None:
    missing = _texts_of_the_code() - {_key(message) for message in _catalogue(language)}

    assert missing == set(), "run `make texts`, then translate"


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_has_no_text_that_the_code_lost(language: str) -> None:
    left_over = {_key(message) for message in _catalogue(language)} - _texts_of_the_code()

    assert left_over == set(), "run `make texts`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_in_each_plural_form(language: str) -> None:
    for message in _catalogue(language):
        forms = _forms(message)
        assert all(form.strip() for form in forms), message.id
        assert len(forms) == (3 if message.pluralizable else 1), message.id  # Polish: 1, 2-4, 5 and more


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_a_guess(language: str) -> None:
    assert [message.id for message in _catalogue(language) if message.fuzzy] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_fills_in_the_same_values_as_its_text(language: str) -> None:
    for message in _catalogue(language):
        texts = [message.id] if isinstance(message.id, str) else list(message.id)
        wanted = {name for text in texts for name in _placeholders(text)}
        for form in _forms(message):
            # A plural form may leave its number out ("one day"); it must not ask for a value that is not given.
            assert _placeholders(form) <= wanted, message.id
            if not message.pluralizable:
                assert _placeholders(form) == wanted, message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_ends_like_its_text(language: str) -> None:
    for message in _catalogue(language):
        if isinstance(message.id, str) and isinstance(message.string, str):
            assert message.id.endswith((".", "?", "!", ":")) == message.string.endswith((".", "?", "!", ":")), (
                message.id
            )
            assert message.string == message.string.strip(), message.id


@cache
def _texts_of_the_code() -> set[Key]:
    with MAPPING.open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call] # Babel's only untyped one here
    found = extract_from_dir(CODE, methods, options, KEYWORDS)
    return {tuple(text) if isinstance(text, tuple) else text for _file, _line, text, *_rest in found}


def _catalogue(language: str) -> Iterator[Message]:
    return (message for message in _read(language) if message.id)


@cache
def _read(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def _key(message: Message) -> Key:
    return message.id if isinstance(message.id, str) else tuple(message.id)


def _forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", text))
