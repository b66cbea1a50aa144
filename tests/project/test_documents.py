"""What documents mention exists, and nothing in the tree belongs to one machine."""

import json
import re
import shlex
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import click
import pytest

from idp.app.settings import SECTIONS
from idp.audit import event_types
from idp.cli import idp
from idp.fees.settings import SECTIONS as FEES_SECTIONS
from idp.permissions import Permission

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = [
    *sorted(PROJECT.glob("*.md")),
    *sorted((PROJECT / "changelog.d").glob("README.md")),
    *sorted((PROJECT / "deploy").rglob("*.md")),
    *sorted(DOCS.rglob("*.md")),
]
# A decision tells what was decided then, the page of commands how they are called: `[OPTIONS]`.
TO_TYPE = [page for page in PAGES if page.parent.name != "decisions" and page.name not in ("cli.md", "CHANGELOG.md")]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)")
# As a command: at the begin of a snippet or line, or after settings or another command.
MAKE = r"(?:[`\n]|&& |; |=\S+ )make ([a-z][a-z-]*)\b"
# What may stand before a command: a prompt, settings, the user of the service.
PROMPT = r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:(?:as|sudo -u|runuser -u) idp (?:-- )?)?(?:\S*/)?"
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


@pytest.mark.parametrize("document", TO_TYPE, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_that_is_shown_exists(document: Path) -> None:
    assert [(line, mistake) for line in shown_commands(document) if (mistake := command_mistake(line))] == []


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("idp registry import export.csv --delta", ""),
        ("idp fees list [--album 12345] [--state overdue]", ""),
        ("idp runs show|export RUN", ""),
        ("idp runs", ""),
        ("idp status --check || exit 2", ""),
        ("idp registri import export.csv", "no command idp registri"),
        ("idp registry imports export.csv", "no command idp registry imports"),
        ("idp registry import --full export.csv", "idp registry import has no option --full"),
        ("idp status everything", "idp status takes 0 arguments, not 1"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, mistake: str) -> None:
    assert command_mistake(line) == mistake


def shown_commands(page: Path) -> Iterator[str]:
    """Yield what a page tells readers to type, from `idp` on: lines of code blocks, and what stands in backquotes."""
    for snippet in snippets(page):
        if snippet.startswith("```"):
            language, _, text = snippet.removeprefix("```").removesuffix("```").partition("\n")
            if language.strip() in ("", "console", "sh", "bash"):
                for line in text.replace("\\\n", " ").splitlines():
                    if command := re.match(PROMPT + r"(idp [a-z].*)", line):
                        yield command.group(1)
        elif re.match(r"idp [a-z]", command_text := snippet.strip("`")):
            yield command_text


def command_mistake(line: str) -> str:
    """Return what is wrong with a command line: "idp status --al" -> "idp status has no option --al"."""
    text = re.split(r"\s#|&&|\|\||;|>| \| | …", line)[0]
    words = shlex.split(re.sub(r"[\[\]]", "", text))
    context = click.Context(idp, info_name="idp")
    arguments: list[str] = []
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        options = {name: one for one in context.command.params for name in (*one.opts, *one.secondary_opts)}
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            option = options.get(name)
            if name in ("--help", "-h"):
                continue
            if not isinstance(option, click.Option):
                return f"{context.command_path} has no option {name}"
            if not (option.is_flag or option.count or value):
                rest = rest[option.nargs :]
        elif isinstance(context.command, click.Group) and not arguments:
            alternatives = word.split("|")
            commands = [(name, context.command.get_command(context, name)) for name in alternatives]
            for name, command in commands:
                if command is None:
                    return f"no command {context.command_path} {name}"
            name, command = commands[0]
            assert command is not None
            context = click.Context(command, info_name=name, parent=context)
        else:
            arguments.append(word)
    takes = [one.nargs for one in context.command.params if isinstance(one, click.Argument)]
    if -1 not in takes and len(arguments) > sum(takes):
        return f"{context.command_path} takes {sum(takes)} arguments, not {len(arguments)}"
    return ""


PERMISSIONS = set(Permission)


def test_every_setting_that_is_mentioned_exists() -> None:
    unknown = [
        (page, name)
        for page, name in mentioned(r"^`([a-z]+\.[a-z_]+(?:\.[a-z_]+)*)`$")
        if name.split(".")[0] in {**SECTIONS, **FEES_SECTIONS}
        and not (
            is_setting(name) or is_event(name) or name in PERMISSIONS or name.endswith((".db", ".key", ".py", ".toml"))
        )
    ]

    assert unknown == []


@pytest.mark.parametrize("document", TO_TYPE, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_setting_of_an_example_exists(document: Path) -> None:
    shown = [
        f"{table}.{key}"
        for text in blocks(document, "toml")
        for table, values in tomllib.loads(text).items()
        if table in {**SECTIONS, **FEES_SECTIONS}
        and isinstance(values, dict)
        # `[cas]` of a registration is another table than `[cas]` of the settings.
        and "id" not in tomllib.loads(text)
        for key in paths(values)
    ]

    assert [name for name in shown if not is_setting(name)] == []


@pytest.mark.parametrize("document", TO_TYPE, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_example_of_python_or_json_is_whole(document: Path) -> None:
    for text in blocks(document, "python"):
        compile(text, str(document), "exec")
    for text in blocks(document, "json"):
        json.loads(text)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks in a language; one in a list is indented."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in found]


def paths(table: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all values in a table: {"a": {"b": 1}} -> "a.b"."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from (f"{key}.{path}" for path in paths(value))
        else:
            yield key


def is_setting(name: str) -> bool:
    section, *path = name.split(".")
    return any(has_setting(sections.get(section), path) for sections in (SECTIONS, FEES_SECTIONS))


def has_setting(annotation: Any, path: list[str]) -> bool:
    """Tell whether `path` leads on below a section; a table whose keys the reader chooses takes any."""
    if get_origin(annotation) is Annotated:
        return has_setting(get_args(annotation)[0], path)
    if get_origin(annotation) is dict:
        return not path or has_setting(get_args(annotation)[1], path[1:])
    if not path:
        return annotation is not None
    fields = getattr(annotation, "model_fields", {})
    return path[0] in fields and has_setting(fields[path[0]].annotation, path[1:])


def is_event(name: str) -> bool:
    return name in {value for key, value in vars(event_types).items() if key.isupper()}


@pytest.mark.parametrize("document", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = CODE.sub("", document.read_text(encoding="utf-8"))
    links = [
        (document.parent / link if link else document, part) for link, part in LINK.findall(text) if "://" not in link
    ]
    missing = [str(page) for page, _ in links if not page.exists()]
    headless = [f"{page}#{part}" for page, part in links if part and page.suffix == ".md" and part not in anchors(page)]

    assert missing + headless == []


def anchors(page: Path) -> set[str]:
    """Return what links may name behind `#`: each heading in lower case, blanks as hyphens, without signs."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL) if page.exists() else ""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page.suffix == ".md" and page not in reached and page.is_file():
            reached.add(page)
            waiting += [page.parent / link for link, _ in LINK.findall(page.read_text(encoding="utf-8")) if link]

    assert [str(page.relative_to(PROJECT)) for page in PAGES if page not in reached] == []


def test_every_page_that_code_names_exists() -> None:
    named = re.compile(r"(?<![\w./-])(docs/[\w/.-]+\.md)")
    missing = [
        (str(file.relative_to(PROJECT)), name)
        for file in tracked_files()
        if file.suffix in (".py", ".toml", ".ldif", ".css", ".md", "") and file.is_file()
        for name in named.findall(file.read_text(encoding="utf-8", errors="replace"))
        if not (PROJECT / name).exists()
    ]

    assert missing == []


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


# --- docs/architecture.md ---------------------------------------------------------------------------------------------


ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
MOST_SHAPES = 8


def _section(heading: str) -> str:
    return ARCHITECTURE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_layers_are_those_that_the_import_contract_holds() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    # "(idp.scim)" is a package to come: nobody has to have it.
    held = [
        re.findall(r"idp\.(\w+)", re.sub(r"\(idp\.(?!permissions)\w+\)", "", layer)) for layer in contract["layers"]
    ]

    drawn = re.search(r"```\n(cli\n.*?)```", _section("Packages and layers"), re.DOTALL)
    assert drawn is not None
    assert [line.split(" | ") for line in drawn.group(1).splitlines()] == held


def test_every_package_stands_in_the_table_of_the_architecture() -> None:
    rows = re.findall(r"^\| `idp/(\w+)/` \| .+? \| `(\w+\.py)` \|$", _section("Packages and layers"), re.MULTILINE)

    assert {name for name, _ in rows} == {file.parent.name for file in (PROJECT / "idp").glob("*/__init__.py")}
    assert [f"{name}/{file}" for name, file in rows if not (PROJECT / "idp" / name / file).exists()] == []


def test_a_row_takes_at_most_eight_shapes_and_each_is_made_where_the_page_says() -> None:
    walk = re.findall(r"^\| (.+?) \| `(idp/.+?\.py)` \|", _section("A row on its way to the directory"), re.MULTILINE)

    assert 1 < len(walk) <= MOST_SHAPES
    assert len({module for _, module in walk}) == len(walk)
    for shape, module in walk:
        text = (PROJECT / module).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", shape):
            assert re.search(rf"\b{name}\b", text), f"{module} does not name {name}"
