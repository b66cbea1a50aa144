import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import InputTooLong
from idp.people.names import (
    NameFault,
    clean,
    clean_name,
    fault_of,
    has_control_characters,
    is_mojibake,
    mixes_scripts,
    search_key,
    to_ascii,
    without_capitals,
)
from tests.support.hostile import HOSTILE


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Anna   Maria ", "Anna Maria"),
        ("Zoe\u0308", "Zoë"),
        ("Anna\u00a0Maria\u200b", "Anna Maria"),
        ("\ufeffNowak", "Nowak"),
        ("No\u00adwak", "Nowak"),
        ("Jan\n Nowak\t", "Jan Nowak"),
        ("\u200b", ""),
    ],
)
def test_text_is_composed_and_free_of_what_nobody_sees(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_joiner_stays_where_it_changes_a_spelling_and_goes_where_it_hides() -> None:
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("Anna\u200cMaria") == "AnnaMaria"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Kowalska - Nowak", "Kowalska-Nowak"),
        ("Kowalska\u2013Nowak", "Kowalska-Nowak"),
        ("KOWALSKA - NOWAK", "Kowalska-Nowak"),
        ("O’CONNOR", "O’Connor"),
        ("ŹDŹBŁO", "Źdźbło"),
        ("YILDIRIM", "Yildirim"),
        ("İNAN IŞIK", "İnan Işık"),
        ("NGUYỄN", "Nguyễn"),
        ("STRASSE", "Strasse"),
        ("X", "X"),
        ("Li", "Li"),
        ("LI", "Li"),
        ("McDonald", "McDonald"),
        ("von der Leyen", "von der Leyen"),
        ("李小龍", "李小龍"),
    ],
)
def test_names_are_written_as_people_write_them(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize(
    "name",
    [
        *("Zażółć", "Gęślą", "KÓŁKO", "Großmann", "Nguyễn Văn Đức", "Øystein", "Guðrún", "Þór", "Ærø", "Adébáyọ̀"),
        *("O’Connor", "O'Neill", "Abd El-Rahman", "Щербак", "Παπαδόπουλος", "李小龍", "محمد", "प्रिया", "דָּוִד", "Jr."),
        *("Null", "Nan", "Աննա", "ᎠᎾ", "李 Li", "王小明", "さくら子", "김민수"),
        *("Åukasz", "Çelik", "Ñuñez", ""),
    ],
)
def test_real_names_have_no_fault(name: str) -> None:
    assert fault_of(clean_name(name)) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("=cmd|'/c calc'!A1", NameFault.FORMULA),
        ("@SUM(A1)", NameFault.FORMULA),
        ("+48", NameFault.FORMULA),
        ("Ma?gorzata", NameFault.QUESTION_MARK),
        ("Ma\ufffdgorzata", NameFault.QUESTION_MARK),
        ("MaĹ‚gorzata", NameFault.MOJIBAKE),
        ("WiÅ›niewski", NameFault.MOJIBAKE),
        ("JosÃ©", NameFault.MOJIBAKE),
        ("Å\x81ukasz", NameFault.MOJIBAKE),
        ("Jan3", NameFault.CHARACTERS),
        ("Jan;Nowak", NameFault.CHARACTERS),
        ("Jan_Nowak", NameFault.CHARACTERS),
        ("Jan😀", NameFault.CHARACTERS),
        ("\u0410nna", NameFault.MIXED_SCRIPTS),
        ("Nοwak", NameFault.MIXED_SCRIPTS),
        ("Aննա", NameFault.MIXED_SCRIPTS),
        ("Ꭺnna", NameFault.MIXED_SCRIPTS),
        ("N" * 65, NameFault.TOO_LONG),
        ("...", NameFault.NO_LETTER),
        ("' .", NameFault.NO_LETTER),
        ("\u0301", NameFault.NO_LETTER),
        ("NULL", NameFault.NO_VALUE),
        ("undefined", NameFault.NO_VALUE),
    ],
)
def test_what_is_no_name_is_told_apart(name: str, fault: NameFault) -> None:
    assert fault_of(name) is fault


@pytest.mark.parametrize("text", ["\x1b[2J", "\x00", "\x7f", "\x9b31m", "a\u202eb", "a\u2066b", "a\ud800b"])
def test_control_characters_of_terminals_and_of_writing_direction_are_found(text: str) -> None:
    assert has_control_characters(text)


@pytest.mark.parametrize("text", ["Jan\tNowak", "two\r\nlines", "Anna\u00a0Maria", "می\u200cخواهم", "\u200eZoë\u200f"])
def test_blanks_and_marks_that_cleaning_removes_are_no_control_characters(text: str) -> None:
    assert not has_control_characters(text)


@given(st.text(st.sampled_from("aąbcćdeęfghijklłmnńoópqrsśtuvwxyzźżAĄBCĆEĘLŁNŃOÓSŚZŹŻ"), min_size=2, max_size=20))
def test_polish_text_is_never_taken_for_mojibake_unless_it_is(name: str) -> None:
    assert not is_mojibake(name)
    assert not mixes_scripts(name)


@given(
    st.text(st.sampled_from("aąbcćdeęłnńoóśźżĄĆĘŁŃÓŚŹŻ"), min_size=1, max_size=20).filter(
        lambda text: not text.isascii()
    )
)
def test_utf8_read_as_another_encoding_is_seen(name: str) -> None:
    assert is_mojibake(name.encode().decode("latin-1"))


@given(st.text(max_size=40))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_name(clean_name(text)) == clean_name(text)


@given(st.text(max_size=40))
def test_capitals_never_change_the_letters_themselves(text: str) -> None:
    name = unicodedata.normalize("NFC", text)

    assert without_capitals(name).casefold() == name.casefold() or "İ" in name


@given(st.text(max_size=40))
def test_ascii_is_ascii_and_a_key_has_only_letters_and_spaces(text: str) -> None:
    assert to_ascii(text).isascii()
    assert set(search_key(text)) <= set("abcdefghijklmnopqrstuvwxyz ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kowalska - Żółć", "KOWALSKA ZOLC"),
        ("O’Connor", "oconnor"),
        ("Großmann", "Grossmann"),
        ("Zoe\u0308", "Zoë"),
        ("Đặng", "dang"),
        ("Łukasz ", "lukasz"),
    ],
)
def test_what_a_person_types_matches_what_the_registry_says(one: str, other: str) -> None:
    assert search_key(one) == search_key(other) != ""


@pytest.mark.parametrize("function", [clean, clean_name, to_ascii, search_key])
def test_text_far_too_long_for_a_name_is_refused_before_it_is_normalised(function: Callable[[str], str]) -> None:
    with pytest.raises(InputTooLong):
        function(HOSTILE)
