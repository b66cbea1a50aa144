"""README.md lists every case of the specification, and every case was seen failing somewhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
SPECIFIED = re.compile(r"test_(\d|appendix)_")


def cases() -> Iterator[ast.FunctionDef]:
    """Yield every case that carries a section's number."""
    for file in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and SPECIFIED.match(node.name):
                yield node


def test_the_checklist_names_every_case_once() -> None:
    listed = re.findall(r"`(test_(?:\d|appendix)\w+)`", (HERE / "README.md").read_text(encoding="utf-8"))

    assert sorted(listed) == sorted(case.name for case in cases())


def test_every_case_names_the_servers_on_which_it_fails() -> None:
    without = [case.name for case in cases() if "broken_by" not in {_name(one) for one in case.decorator_list}]

    assert without == []


def _name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else ""
