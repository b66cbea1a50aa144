"""What documents mention exists, and nothing in the tree belongs to one machine."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from idp.app.settings import SECTIONS
from idp.audit import event_types
from idp.cli import COMMANDS, idp
from idp.fees.settings import SECTIONS as FEES_SECTIONS

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
# As a command: at the begin of a snippet or line, or after settings or another command.
MAKE = r"(?:[`\n]|&& |; |=\S+ )make ([a-z][a-z-]*)\b"
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def snippets(page: Path) -> list[str]:
    """Return what stands in backquotes or code blocks."""
    return CODE.findall(page.read_text(encoding="utf-8"))


def mentioned(pattern: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for snippet in snippets(page):
            for word in re.findall(pattern, snippet):
                yield str(page.relative_to(PROJECT)), word


def tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True)
    return [PROJECT / name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_every_make_target_that_is_mentioned_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert [(page, word) for page, word in mentioned(MAKE) if word not in targets] == []


def test_every_command_that_is_mentioned_exists() -> None:
    shown = mentioned(r"\bidp ((?:[a-z]+(?:-[a-z]+)* ?)+)")

    assert [(page, words) for page, words in shown if not is_command(words.split())] == []


def is_command(words: list[str]) -> bool:
    """Tell whether `words` begin with a command; groups must be followed by one of theirs, or by nothing."""
    if words[0] not in COMMANDS:
        return False
    command = idp.get_command(click.Context(idp), words[0])
    assert command is not None
    if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
        return words[1] in command.list_commands(click.Context(command))
    return True


def test_every_setting_that_is_mentioned_exists() -> None:
    unknown = [
        (page, name)
        for page, name in mentioned(r"^`([a-z]+\.[a-z_]+(?:\.[a-z_]+)*)`$")
        if name.split(".")[0] in {**SECTIONS, **FEES_SECTIONS}
        and not (is_setting(name) or is_event(name) or name.endswith((".db", ".key", ".py", ".toml")))
    ]

    assert unknown == []


def is_setting(name: str) -> bool:
    section, *path = name.split(".")
    for sections in (SECTIONS, FEES_SECTIONS):
        model: Any = sections.get(section)
        for key in path:
            fields = getattr(model, "model_fields", {})
            model = fields[key].annotation if key in fields else None
        if model is not None:
            return True
    return False


def is_event(name: str) -> bool:
    return name in {value for key, value in vars(event_types).items() if key.isupper()}


@pytest.mark.parametrize("document", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_nothing_in_the_tree_belongs_to_one_machine() -> None:
    # Work folders and package mirrors of whoever wrote it: a clone elsewhere would not have them.
    foreign = re.compile(
        rb"/(?:work|farm)/[a-z]|--(?:extra-)?index-url|--find-links[ =]|artifactregistry|/tmp/(?:plan|boot)"
    )
    guilty = [
        (str(file.relative_to(PROJECT)), match.group())
        for file in tracked_files()
        if file != Path(__file__) and (match := foreign.search(file.read_bytes()))
    ]

    assert guilty == []


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    for file in (PROJECT / "requirements").glob("*.txt"):
        text = file.read_text(encoding="utf-8")
        packages = re.findall(r"^[a-z0-9].*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)

        assert "://" not in text, file.name
        assert packages, file.name
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == [], file.name
