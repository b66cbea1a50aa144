"""What a name would lead to, before anybody sees it."""

import pytest

from idp.aliases.preview import Remark, is_of_another_script, preview
from idp.aliases.proposals import FullName
from idp.aliases.refusals import name_rules
from idp.aliases.settings import AliasSettings

RULES = name_rules(AliasSettings(), "s", "student.po.edu.pl")


@pytest.mark.parametrize(
    ("given", "surname", "first", "remarks"),
    [
        ("Anna", "Nowak", "anna.nowak", ()),
        ("Żaneta", "Źdźbło - Ćwik", "zaneta.zdzblo-cwik", ()),
        ("Ørjan", "Đặng", "orjan.dang", ()),
        ("Ірина", "Шевченко", "irina.shevchenko", (Remark.TRANSLITERATED,)),
        ("小龍", "李", "xiaolong.li", (Remark.TRANSLITERATED,)),
        ("😀", "!!", "", (Remark.UNREADABLE,)),
        ("Anna", "Abc-" * 20 + "Abc", "anna." + "-".join(["abc"] * 15), (Remark.SHORTENED,)),
        ("", "Rektor", "", (Remark.REFUSED,)),
    ],
)
def test_a_name_is_proposed_with_what_is_remarkable(
    given: str, surname: str, first: str, remarks: tuple[Remark, ...]
) -> None:
    found = preview(FullName(given, "", "", surname), RULES)

    assert (found.first, found.remarks) == (first, remarks)


def test_the_rule_that_refuses_the_usual_form_is_named() -> None:
    assert preview(FullName("", "", "", "Rektor"), RULES).refusal == "reserved"


@pytest.mark.parametrize(("text", "is_other"), [("Źdźbło", False), ("Ørsted", False), ("Аnna", True), ("李", True)])
def test_another_script_is_one_that_is_not_latin(text: str, is_other: bool) -> None:
    assert is_of_another_script(text) is is_other
