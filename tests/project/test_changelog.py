"""The changelog has one short line per change, and its fragments have a form that `make changelog` can assemble."""

from pathlib import Path

import pytest

from tests.support.changelog import CHANGELOG, LONGEST, assemble, fragments, mistakes

HEAD = "# Changelog\n\n## Unreleased\n"


def test_every_fragment_has_the_form() -> None:
    assert [(file.name, found) for file in fragments() if (found := mistakes(file))] == []


def test_every_line_of_the_changelog_is_short() -> None:
    items = [line for line in CHANGELOG.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]

    assert items
    assert [item for item in items if len(item.removeprefix("- ")) > LONGEST] == []


@pytest.mark.parametrize(
    ("name", "text", "mistake"),
    [
        ("Restore Guide.md", "Added: a guide.\n", "slug"),
        ("guide.txt", "Added: a guide.\n", "slug"),
        ("guide.md", "", "one line"),
        ("guide.md", "Added: a guide.\nFixed: a link.\n", "one line"),
        ("guide.md", "a" * (LONGEST + 1), "161 characters"),
        ("guide.md", "- Added: a guide.\n", "list sign"),
    ],
)
def test_a_fragment_of_another_form_is_refused(tmp_path: Path, name: str, text: str, mistake: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    (found,) = mistakes(file)

    assert mistake in found


def test_fragments_are_sorted_by_kind() -> None:
    assembled = assemble(HEAD, ["Fixed: the link.\n", "Added: a guide.\n", "the page is shorter.\n"])

    assert (
        assembled
        == HEAD + "\n### Added\n\n- A guide.\n\n### Changed\n\n- The page is shorter.\n\n### Fixed\n\n- The link.\n"
    )


def test_fragments_follow_what_stands_there_and_older_versions_stay() -> None:
    older = "\n## 0.1.0\n\n### Added\n\n- The demo.\n"
    assembled = assemble(HEAD + "\n### Added\n\n- A guide.\n" + older, ["Added: a page.\n"])

    assert assembled == HEAD + "\n### Added\n\n- A guide.\n- A page.\n" + older
