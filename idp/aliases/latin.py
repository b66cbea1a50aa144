"""A name in any script -> the plain letters of a mail address."""

from idp.people.names import clean_name, search_key


def latin(name: str) -> str:
    """Return `name` in the letters a-z, its words joined by hyphens; empty when nothing can be read.

    Shape:   "Źdźbło - Ćwik" -> "zdzblo-cwik"; "O’Connor" -> "oconnor"; "李" -> "li"; "😀" -> ""
    Source:  docs/domain.md, mail names
    """
    return search_key(clean_name(name)).replace(" ", "-")
