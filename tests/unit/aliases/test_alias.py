from idp.aliases.alias import alias_address, has_alias_form
from idp.people.values import Album


def test_the_alias_is_s_and_the_album_number() -> None:
    assert alias_address(Album("12345"), "s", "student.po.edu.pl") == "s12345@student.po.edu.pl"


def test_the_alias_keeps_the_leading_zeros_that_are_printed_on_the_card() -> None:
    assert alias_address(Album("00123"), "s", "student.po.edu.pl") == "s00123@student.po.edu.pl"


def test_only_s_and_digits_have_the_form_of_an_alias() -> None:
    assert [name for name in ("s1", "s007", "s", "12", "t12", "s12a", "s١٢") if has_alias_form(name, "s")] == [
        "s1",
        "s007",
    ]
