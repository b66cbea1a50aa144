"""Both languages are complete: English is in the code, Polish in the catalogue of each package."""

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
from idp.web.languages import LANGUAGES, catalogues

CODE = Path(idp.__file__).parent
MAPPING = CODE.parent / "babel.cfg"
KEYWORDS = DEFAULT_KEYWORDS | parse_keywords(["lazy_gettext", "lazy_ngettext:1,2"])
IN_CODE = "en"  # the language of the texts themselves
TRANSLATED = [language for language in LANGUAGES if language != IN_CODE]

PACKAGES = sorted(folder.name for folder in CODE.iterdir() if (folder / "__init__.py").exists())
CATALOGUES = [
    pytest.param(folder.parent.name, language, id=f"{folder.parent.name}-{language}")
    for folder in catalogues()
    for language in TRANSLATED
]

Key = str | tuple[str, ...]


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("package", PACKAGES)
def test_every_text_of_a_package_is_in_its_catalogue(package: str, language: str) -> None:
    missing = _texts_of_the_code(package) - {_key(message) for message in _catalogue(package, language)}

    assert missing == set(), "run `make texts`, then translate"


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_catalogue_has_no_text_that_its_package_lost(package: str, language: str) -> None:
    left_over = {_key(message) for message in _catalogue(package, language)} - _texts_of_the_code(package)

    assert left_over == set(), "run `make texts`"


def test_every_text_belongs_to_a_package() -> None:
    in_packages = set().union(*(_texts_of_the_code(package) for package in PACKAGES))

    assert _texts_of_the_code("") == in_packages


def test_there_are_catalogues() -> None:
    assert CATALOGUES


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_of_two_packages_has_one_translation(language: str) -> None:
    translations: dict[Key, set[tuple[str, ...]]] = {}
    for package in PACKAGES:
        for message in _catalogue(package, language):
            translations.setdefault(_key(message), set()).add(tuple(_forms(message)))

    assert {key: forms for key, forms in translations.items() if len(forms) > 1} == {}


@pytest.mark.parametrize(("package", "language"), CATALOGUES)
def test_every_text_is_translated_in_each_plural_form(package: str, language: str) -> None:
    for message in _catalogue(package, language):
        forms = _forms(message)
        assert all(form.strip() for form in forms), message.id
        assert len(forms) == (3 if message.pluralizable else 1), message.id  # Polish: 1, 2-4, 5 and more


@pytest.mark.parametrize(("package", "language"), CATALOGUES)
def test_no_translation_is_a_guess(package: str, language: str) -> None:
    assert [message.id for message in _catalogue(package, language) if message.fuzzy] == []


@pytest.mark.parametrize(("package", "language"), CATALOGUES)
def test_a_translation_fills_in_the_same_values_as_its_text(package: str, language: str) -> None:
    for message in _catalogue(package, language):
        texts = [message.id] if isinstance(message.id, str) else list(message.id)
        wanted = {name for text in texts for name in _placeholders(text)}
        for form in _forms(message):
            # A plural form may leave its number out ("one day"); it must not ask for a value that is not given.
            assert _placeholders(form) <= wanted, message.id
            if not message.pluralizable:
                assert _placeholders(form) == wanted, message.id


@pytest.mark.parametrize(("package", "language"), CATALOGUES)
def test_a_translation_ends_like_its_text(package: str, language: str) -> None:
    for message in _catalogue(package, language):
        if isinstance(message.id, str) and isinstance(message.string, str):
            assert message.id.endswith((".", "?", "!", ":")) == message.string.endswith((".", "?", "!", ":")), (
                message.id
            )
            assert message.string == message.string.strip(), message.id


@cache
def _texts_of_the_code(package: str) -> set[Key]:
    with MAPPING.open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call] # Babel's only untyped one here
    found = extract_from_dir(CODE / package, methods, options, KEYWORDS)
    return {tuple(text) if isinstance(text, tuple) else text for _file, _line, text, *_rest in found}


def _catalogue(package: str, language: str) -> Iterator[Message]:
    return (message for message in _read(package, language) if message.id)


@cache
def _read(package: str, language: str) -> Catalog:
    path = CODE / package / "i18n" / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _key(message: Message) -> Key:
    return message.id if isinstance(message.id, str) else tuple(message.id)


def _forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", text))
