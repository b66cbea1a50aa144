from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.aliases.latin import latin
from idp.aliases.proposals import FullName, numbered, proposals, shortened
from idp.aliases.refusals import NameRules, name_rules, refusal_of
from idp.aliases.settings import AliasSettings

RULES: NameRules = name_rules(AliasSettings(), "s", "student.po.edu.pl")


def name(given: str, surname: str, middle: str = "", prefix: str = "") -> FullName:
    return FullName(given, middle, prefix, surname)


@pytest.mark.parametrize(
    ("given", "surname", "expected"),
    [
        ("Żaneta", "Źdźbło - Ćwik", "zaneta.zdzblo-cwik"),
        ("Siobhán", "O’Connor", "siobhan.oconnor"),
        ("Đặng Thị", "Hồng", "dang.hong"),
        ("小龍", "李", "xiaolong.li"),
        ("", "Suharto", "suharto"),
        ("Юлія", "Щербак", "yuliya.shcherbak"),
        ("Ærø", "Großmann", "aero.grossmann"),
        ("Zażółć", "Gęślą Jaźń", "zazolc.gesla-jazn"),
        ("Łukasz", "Nguyễn", "lukasz.nguyen"),
        ("Anna-Maria", "Kowalska", "anna-maria.kowalska"),
        ("JAN", "KOWALSKI", "jan.kowalski"),
    ],
)
def test_the_first_proposal_is_given_name_dot_surname(given: str, surname: str, expected: str) -> None:
    assert proposals(name(given, surname), RULES)[0] == expected


def test_letters_written_with_combining_marks_read_the_same() -> None:
    assert latin("Z\u0307o\u0301\u0142w") == latin("Żółw") == "zolw"


@pytest.mark.parametrize("text", ["😀", "", "''", "...", "\u200b", "123"])
def test_nothing_is_invented_for_a_name_without_readable_letters(text: str) -> None:
    assert proposals(name(text, ""), RULES) == ()


def test_other_proposals_shorten_the_name_or_turn_it_round() -> None:
    assert proposals(name("Żaneta", "Źdźbło-Ćwik", middle="Maria Zofia"), RULES) == (
        "zaneta.zdzblo-cwik",
        "z.zdzblo-cwik",
        "zaneta.maria.zdzblo-cwik",
        "zaneta.m.zdzblo-cwik",
        "zaneta.zdzblo",
        "zaneta.cwik",
        "zdzblo-cwik.zaneta",
    )


def test_a_prefix_of_the_surname_is_kept_and_never_stands_alone() -> None:
    assert proposals(name("Ruud", "Beek", prefix="van"), RULES) == ("ruud.van-beek", "r.van-beek", "van-beek.ruud")


@pytest.mark.parametrize(
    ("given", "surname", "expected"),
    [
        ("Sukarno", "", ("sukarno",)),
        ("", "Suharto", ("suharto",)),
        ("O", "", ()),
        ("Juan", "de la Cruz", ("juan.de-la-cruz", "j.de-la-cruz", "juan.cruz", "de-la-cruz.juan")),
        ("Ana", "Silva e Sá", ("ana.silva-e-sa", "a.silva-e-sa", "ana.silva", "ana.sa", "silva-e-sa.ana")),
    ],
)
def test_neither_a_single_letter_nor_a_particle_is_proposed_alone(
    given: str, surname: str, expected: tuple[str, ...]
) -> None:
    assert proposals(name(given, surname), RULES) == expected


def test_a_name_of_more_than_64_characters_is_cut_at_a_hyphen() -> None:
    long = name("Maksymilian", "Konstantynopolitanczykowska - Wiolonczelistowska - Brzeczyszczykiewicz")

    assert proposals(long, RULES)[0] == "maksymilian.konstantynopolitanczykowska-wiolonczelistowska"


def test_a_long_surname_without_a_hyphen_is_cut_and_keeps_the_given_name() -> None:
    assert shortened("anna-maria." + "a" * 80) == "anna-maria." + "a" * 53


def test_a_number_is_put_behind_the_cut_so_that_the_whole_stays_within_64() -> None:
    cut = next(numbered("b" * 64, RULES))

    assert cut == "b" * 63 + "2"


def test_namesakes_are_numbered_from_two() -> None:
    assert list(islice(numbered("jan.kowalski", RULES), 3)) == ["jan.kowalski2", "jan.kowalski3", "jan.kowalski4"]


def test_a_number_never_makes_an_alias_out_of_a_name() -> None:
    assert list(islice(numbered("s", RULES), 3)) == []


def test_a_proposal_that_reads_as_an_alias_is_not_made() -> None:
    assert "s.li" not in proposals(name("Shu", "Li"), RULES)


def test_nobodys_own_name_is_called_offensive() -> None:
    assert proposals(name("Jan", "Kutas"), RULES)[0] == "jan.kutas"
    assert next(numbered("jan.kutas", RULES)) == "jan.kutas2"


@given(st.text(max_size=64), st.text(max_size=64), st.text(max_size=64), st.text(max_size=64))
def test_whatever_the_name_every_proposal_passes_the_rules_for_chosen_names(a: str, b: str, c: str, d: str) -> None:
    whole = FullName(a, b, c, d)

    for proposal in proposals(whole, RULES):
        assert refusal_of(proposal, RULES, whole.words()) is None
        for next_one in islice(numbered(proposal, RULES), 2):
            assert refusal_of(next_one, RULES, whole.words()) is None
