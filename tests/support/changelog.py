"""Move the fragments of `changelog.d` into CHANGELOG.md: `python -m tests.support.changelog`."""

import re
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FRAGMENTS = PROJECT / "changelog.d"
CHANGELOG = PROJECT / "CHANGELOG.md"
LONGEST = 160
KINDS = ("Added", "Changed", "Fixed", "Removed", "Security")
DEFAULT_KIND = "Changed"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def fragments(folder: Path = FRAGMENTS) -> list[Path]:
    """Return the fragments by name; the folder's README is none."""
    return sorted(file for file in folder.iterdir() if file.name != "README.md")


def mistakes(file: Path) -> list[str]:
    """Return what is wrong with the form of a fragment."""
    text = file.read_text(encoding="utf-8")
    found = []
    if file.suffix != ".md" or not SLUG.fullmatch(file.stem):
        found.append("the file name is a slug with .md: lower-case letters, digits and hyphens")
    if len(text.splitlines()) != 1 or not text.strip():
        found.append("the file holds exactly one line")
    if len(text.strip()) > LONGEST:
        found.append(f"the line has {len(text.strip())} characters, at most {LONGEST} are allowed")
    if text.startswith(("-", "*", "#")):
        found.append("the line is a sentence, without a list sign or heading")
    return found


def assemble(changelog: str, lines: Iterable[str]) -> str:
    """Return the changelog with each line as the last item of its kind under "Unreleased"."""
    before, heading, rest = changelog.partition("## Unreleased\n")
    unreleased, next_version, released = rest.partition("\n## ")
    items = _items(unreleased)
    for line in lines:
        kind, _, text = line.strip().partition(": ")
        if kind not in KINDS:
            kind, text = DEFAULT_KIND, line.strip()
        items.setdefault(kind, []).append(f"- {text[:1].upper()}{text[1:]}")
    sections = "\n".join(f"\n### {kind}\n\n" + "\n".join(items[kind]) + "\n" for kind in KINDS if items.get(kind))
    return before + heading + sections.replace("\n\n\n", "\n\n") + next_version + released


def _items(unreleased: str) -> dict[str, list[str]]:
    """Return the items of a version by kind."""
    parts = re.split(r"^### (\w+)\n", unreleased, flags=re.MULTILINE)
    return {
        kind: [line for line in text.splitlines() if line] for kind, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def main() -> None:
    """Effect: CHANGELOG.md gains the fragments' lines, and the fragments are removed."""
    files = fragments()
    wrong = [f"{file.name}: {mistake}" for file in files for mistake in mistakes(file)]
    if wrong:
        raise SystemExit("\n".join(wrong))
    lines = [file.read_text(encoding="utf-8") for file in files]
    CHANGELOG.write_text(assemble(CHANGELOG.read_text(encoding="utf-8"), lines), encoding="utf-8")
    for file in files:
        file.unlink()


if __name__ == "__main__":
    main()
