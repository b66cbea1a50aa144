"""Write a name of any script in the letters of a mail address."""

from idp.people.names import clean_name, search_key


def latin(name: str) -> str:
    """Return `name` in the letters a-z, its words joined by hyphens. Return "" if no letter can be read.

    Shape:   "Źdźbło - Ćwik" -> "zdzblo-cwik"; "O’Connor" -> "oconnor"; "李" -> "li"; "😀" -> ""
    Source:  docs/domain.md, mail names
    """
    return search_key(clean_name(name)).replace(" ", "-")
