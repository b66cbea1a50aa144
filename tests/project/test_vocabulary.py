"""Words that others rely on stand in the documents: events, error codes, settings."""

import importlib
import pkgutil
import re
from pathlib import Path

import idp
from idp.app.settings import SECTIONS
from idp.audit import event_types
from idp.errors import IdpError
from idp.fees.settings import SECTIONS as FEES_SECTIONS
from idp.registry.reasons import SENTENCES, Refusal
from idp.settings import example
from tests.support.reference_pages import attributes_page, cli_page, settings_pages

HEADINGS = ("Refused files", "Quarantined rows")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def in_first_column(document: str) -> set[str]:
    text = (REFERENCE / document).read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE))


def test_every_reason_of_an_import_stands_in_the_page_of_student_records_and_no_other() -> None:
    page = (REFERENCE / "student-records.md").read_text(encoding="utf-8")
    refused, quarantined = (page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] for heading in HEADINGS)

    codes = [
        code for row in re.findall(r"^\| (`.+?) \|", refused, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(codes) == sorted(Refusal)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", quarantined, re.MULTILINE)
    assert {code: sentence.replace("\\|", "|") for code, sentence in rows} == SENTENCES


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
    in_code = {value for name, value in vars(event_types).items() if name.isupper()}
    assert in_first_column("events.md") == in_code


def test_every_error_code_stands_in_the_errors_page_and_no_other() -> None:
    assert in_first_column("errors.md") == all_codes()


def test_the_settings_pages_are_what_the_script_generates() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in (REFERENCE / "settings").glob("*.md")}

    assert written == settings_pages(), "run scripts/settings-page"


def test_the_page_of_commands_is_what_the_script_generates() -> None:
    ((path, text),) = cli_page().items()

    assert path.read_text(encoding="utf-8") == text, "run scripts/cli-page"


def test_the_page_of_attributes_is_what_the_script_generates() -> None:
    ((path, text),) = attributes_page().items()

    assert path.read_text(encoding="utf-8") == text, "run scripts/attributes-page"


def test_every_setting_stands_in_the_settings_pages() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (REFERENCE / "settings").glob("*.md"))

    assert [name for name in setting_names() if f"| `{name}` |" not in text] == []


def setting_names() -> list[str]:
    """Return every setting as `config example` prints it: `[web]` and `#port = 8080` -> "web.port"."""
    names, table = [], ""
    for line in (*example(SECTIONS).splitlines(), *example(FEES_SECTIONS).splitlines()):
        if section := re.fullmatch(r"\[([a-z_.]+)\]", line):
            table = section.group(1)
        elif setting := re.match(r"#([a-z0-9_]+) = ", line):
            names.append(f"{table}.{setting.group(1)}")
    return names
