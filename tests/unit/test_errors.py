"""The tree of errors at the top of the file is the tree of the classes."""

import re

from idp import errors
from idp.errors import IdpError


def children(kind: type[IdpError]) -> list[str]:
    return [child.__name__ for child in kind.__subclasses__() if child.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert errors.__doc__ is not None
    tree = errors.__doc__.partition("IdpError\n")[2].partition("\n\n")[0]
    # A line that goes on below its branch belongs to it.
    branches = [
        re.findall(r"\w+", branch) for branch in re.split(r"^[├└]──", tree, flags=re.MULTILINE) if branch.strip()
    ]

    written = {branch: sorted(leaves) for branch, *leaves in branches}

    direct = {
        kind.__name__: sorted(children(kind))
        for kind in IdpError.__subclasses__()
        if kind.__module__ == errors.__name__
    }
    assert written == direct
    assert not [leaf for branch in direct for leaf in direct[branch] if children(getattr(errors, leaf))]
