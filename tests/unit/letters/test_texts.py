"""The text of letters."""

from email.message import EmailMessage

import pytest

from idp.letters.texts import Letterhead, compose

LETTERHEAD = Letterhead(
    university={"pl": "Politechnika Opolska", "en": "Opole University of Technology"},
    service_center={"pl": "Centrum Obsługi Studenta", "en": "Student Service Center"},
    service_center_url="https://www.cos.po.opole.pl",
    base_url="https://estudent.example",
    accent_colour="#00539b",
    from_address="no-reply@po.edu.pl",
)
ALBUM = {"given_name": "Żaneta <3", "album": "12345", "account_url": "https://estudent.example/account/new"}


def album_letter(language: str = "pl") -> tuple[str, str, dict[str, str]]:
    message = compose(LETTERHEAD, "a1b2", "album", language, "zaneta@example.org", 1_790_848_800.0, ALBUM)
    text, html = parts_of(message)
    return text, html, dict(message.items())


def parts_of(message: EmailMessage) -> tuple[str, str]:
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    return text.get_content(), html.get_content()


@pytest.mark.parametrize("language", ["pl", "en"])
def test_the_album_letter_says_the_number_the_page_and_where_help_is_in_both_languages(language: str) -> None:
    text, html, _ = album_letter(language)

    for part in (text, html):
        assert part.count("12345") >= 2
        assert "https://estudent.example/account/new" in part
        assert "https://www.cos.po.opole.pl" in part
        assert "Centrum Obsługi Studenta" in part
        assert "Student Service Center" in part


def test_the_preferred_language_comes_first() -> None:
    assert album_letter("en")[0].startswith("Hello Żaneta")
    assert album_letter("pl")[0].startswith("Dzień dobry,")  # a name would have to be declined
    assert album_letter("en")[2]["Subject"].startswith("Your album number 12345")
    assert album_letter("en")[2]["Content-Language"] == "en, pl"


def test_no_language_hides_below_a_signature_mark() -> None:
    assert "\n-- \n" not in album_letter()[0]


def test_a_name_cannot_put_markup_into_the_letter() -> None:
    text, html, _ = album_letter()

    assert "Żaneta <3" in text
    assert "Żaneta &lt;3" in html


def test_each_try_of_a_letter_is_the_same_message() -> None:
    assert album_letter()[2]["Message-ID"] == "<a1b2@po.edu.pl>"
    assert album_letter()[2]["Date"] == album_letter()[2]["Date"]


def test_nobody_is_asked_to_answer_automatically() -> None:
    assert album_letter()[2]["Auto-Submitted"] == "auto-generated"


def test_an_invitation_says_how_long_its_link_works() -> None:
    data = {"given_name": "", "link": "https://estudent.example/staff/join/abc", "days": 7}
    message = compose(LETTERHEAD, "a1b2", "staff_invite", "en", "clerk@po.edu.pl", 0.0, data)

    text, _html = parts_of(message)
    assert "https://estudent.example/staff/join/abc" in text
    assert "valid for 7 days" in text
    assert text.startswith("Hello,")


def test_a_line_break_cannot_become_a_header() -> None:
    with pytest.raises(ValueError, match=r"newline|linefeed|carriage"):
        compose(LETTERHEAD, "a1b2", "album", "pl", "a@example.org\nBcc: all@example.org", 0.0, ALBUM)
