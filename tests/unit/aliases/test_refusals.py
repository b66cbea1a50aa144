import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.aliases.look_alikes import look_alike_key
from idp.aliases.refusals import NameRules, Refusal, looks_like_an_alias, name_rules, parse_local_part, refusal_of
from idp.aliases.settings import AliasSettings

RULES: NameRules = name_rules(AliasSettings(staff_names=["maria.rektorska"]), "s", "student.po.edu.pl")


@pytest.mark.parametrize("text", ["jan.kowalski", "j", "jan-maria.kowalski", "a1b2", "2jan", "sam.li", "silosie", "s"])
def test_an_ordinary_name_may_be_chosen(text: str) -> None:
    assert refusal_of(text, RULES) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".jan",
        "jan.",
        "jan..k",
        "-jan",
        "jan-",
        "a.-b",
        "a_b",
        "a b",
        "a!b",
        "o'connor",
        "x+1",
        "żółw",
        "ｊａｎ",
        "jаn",
        "jan\n",
        "Jan",
        'a"b',
    ],
)
def test_only_letters_digits_and_single_dots_or_hyphens_between_them_are_allowed(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.SYNTAX


@pytest.mark.parametrize("text", ["s1", "s0", "s007", "s12345", "sl2345", "s.12345", "s-1-2", "s1234o", "soo7", "s.li"])
def test_the_form_of_an_alias_is_refused_even_when_mimicked(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.ALIAS_FORM


@pytest.mark.parametrize("text", ["12345", "1"])
def test_digits_alone_are_refused(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.ALL_DIGITS


@pytest.mark.parametrize("text", ["xn--jan", "jan.xn--kowalski"])
def test_punycode_is_refused(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.PUNYCODE


def test_sixty_four_characters_are_allowed_and_one_more_is_not() -> None:
    assert refusal_of("a" * 64, RULES) is None
    assert refusal_of("a" * 65, RULES) is Refusal.TOO_LONG


@pytest.mark.parametrize(
    "text",
    [
        *(
            "postmaster",
            "abuse",
            "admin",
            "adm1n",
            "ad-min",
            "adrnin",
            "wwvv",
            "it",
            "lt",
            "rektor",
            "rekt0r",
            "no-reply",
        ),
        *("noreply", "r.o.o.t", "hostmaster", "my-list-request", "starosta-info1", "maria.rektorska", "mariarektorska"),
    ],
)
def test_names_of_offices_and_of_protected_persons_are_refused_with_all_their_look_alikes(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.RESERVED


@pytest.mark.parametrize("text", ["kurwa", "jan.kurwa", "kurwa2", "k.u.r.w.a", "shit-happens"])
def test_offensive_words_are_refused(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.OFFENSIVE


@pytest.mark.parametrize("text", ["yoshito.sato", "cassius.clay", "scunthorpe", "dupakowska"])
def test_an_offensive_word_inside_a_longer_one_offends_nobody(text: str) -> None:
    assert refusal_of(text, RULES) is None


def test_the_university_may_allow_what_a_list_refuses() -> None:
    rules = name_rules(AliasSettings(allowed=["dick.tracy"]), "s", "student.po.edu.pl")

    assert refusal_of("dick.tracy", rules) is None
    assert refusal_of("dick.turpin", rules) is Refusal.OFFENSIVE


def test_capitals_and_our_own_domain_are_taken_off_what_was_typed() -> None:
    assert parse_local_part(" Jan.Kowalski@Student.PO.edu.pl ", "student.po.edu.pl") == "jan.kowalski"
    assert parse_local_part("jan@example.com", "student.po.edu.pl") == "jan@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jan.kowalski", "jankowalski"),
        ("jan.kowalski", "jan-kowa1ski"),
        ("maria", "rnaria"),
        ("walc", "vvalc"),
        ("ola", "0ia"),
    ],
)
def test_names_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert look_alike_key(one) == look_alike_key(other)


@given(st.from_regex(r"s[0-9oli.\-]{1,8}", fullmatch=True))
def test_no_name_that_may_be_chosen_shares_its_key_with_an_alias(text: str) -> None:
    if refusal_of(text, RULES) is None:
        assert look_alike_key(text) == "s"
    elif any(character.isdigit() for character in text):
        assert looks_like_an_alias(text, "s")


@pytest.mark.parametrize(
    "text",
    ["admin2", "admin.2", "abuse007", "null", "undefined", "api", "po.edu.pl", "student.po.edu.pl", "edu.pl"],
)
def test_reserved_names_with_a_number_words_of_programs_and_the_domain_are_reserved(text: str) -> None:
    assert refusal_of(text, RULES) is Refusal.RESERVED
