"""Import rules that go by name, which import-linter's contracts cannot say."""

import ast
from collections.abc import Iterator
from pathlib import Path

IDP = Path(__file__).parents[2] / "idp"


def knows_sql(file: Path) -> bool:
    """SQL stands in `tables.py`, `queries.py`, `*_queries.py`, in `idp/db`, and in fees, an application of its own."""
    return file.relative_to(IDP).parts[0] in ("db", "fees") or file.stem == "tables" or file.stem.endswith("queries")


READ_THE_CLOCK = ("time.sleep", "time.time", "datetime.now", "datetime.utcnow", "date.today")


def modules() -> Iterator[Path]:
    return (file for file in sorted(IDP.rglob("*.py")))


def names_imported_from(file: Path, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == package)


def test_only_queries_build_sql() -> None:
    guilty = {
        str(file.relative_to(IDP)): names
        for file in modules()
        if not knows_sql(file)
        # A step is handed a connection and passes it on; it needs the word for its type and nothing else.
        if (names := set(names_imported_from(file, "sqlalchemy")) - {"sqlalchemy.Connection"})
    }

    assert guilty == {}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(file.relative_to(IDP))
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    # The journal says which login name ran a command; that name is in the environment and nowhere else.
    assert readers <= {"settings.py", "audit/events.py"}


def test_time_comes_from_the_clock() -> None:
    guilty = {
        str(file.relative_to(IDP))
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.sleep", "datetime.now", "time.time", "date.today")
    }

    assert guilty <= {"clock.py"}


def test_every_package_says_what_it_owns() -> None:
    silent = [
        str(file.relative_to(IDP))
        for file in IDP.glob("*/__init__.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]

    assert silent == []
