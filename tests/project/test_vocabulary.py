"""Words that others rely on stand in the documents: events, error codes, settings."""

import importlib
import pkgutil
import re
from pathlib import Path

import idp
from idp.app.settings import SECTIONS
from idp.audit import words
from idp.errors import IdpError
from idp.settings import example

DOCS = Path(__file__).parents[2] / "docs"


def in_first_column(document: str) -> set[str]:
    text = (DOCS / document).read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))


def all_codes() -> set[str]:
    for module in pkgutil.walk_packages(idp.__path__, "idp."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = set(), [IdpError]
    while waiting:
        error = waiting.pop()
        found.add(error.code)
        waiting += error.__subclasses__()
    return found


def test_every_event_word_stands_in_the_events_page_and_no_other() -> None:
    in_code = {value for name, value in vars(words).items() if name.isupper()}
    assert in_first_column("events.md") == in_code


def test_every_error_code_stands_in_the_errors_page_and_no_other() -> None:
    assert in_first_column("errors.md") == all_codes()


def test_the_settings_page_is_what_config_example_prints() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert f"```toml\n{example(SECTIONS)}\n```" in page
