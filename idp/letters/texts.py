"""The text of a letter: its template filled in, in both languages, as a message that is the same at each attempt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

LANGUAGES = ("pl", "en")
SEPARATOR = "\n\n* * *\n\n"  # not "-- ": mail programs hide what stands below that as a signature


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The sender of letters. Texts that differ by language are given for each."""

    university: Mapping[str, str]
    service_center: Mapping[str, str]
    service_center_url: str
    base_url: str
    accent_colour: str
    from_address: str
    reply_to: str = ""

    @property
    def domain(self) -> str:
        return self.from_address.rpartition("@")[2]


def compose(
    letterhead: Letterhead, letter_id: str, kind: str, language: str, to: str, owed_at: float, data: Mapping[str, Any]
) -> EmailMessage:
    """Return a letter as text and HTML, `language` first and the other below it.

    Shape:   kind "album" -> templates/album/pl.txt, pl.html, en.txt, en.html; the first line of a text is the subject
    Effect:  none; the same letter has the same Message-ID and Date whenever it is tried, so that a mail server or
             reader that sees it twice can tell
    """
    order = (language, *(other for other in LANGUAGES if other != language))
    values = {**data, "letterhead": letterhead}
    subjects, texts = zip(*(_subject_and_text(kind, each, letterhead, values) for each in order), strict=True)
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((letterhead.university[language], letterhead.from_address))
    message["To"] = to
    message["Subject"] = " / ".join(subjects)
    message["Date"] = format_datetime(datetime.fromtimestamp(owed_at, UTC))
    message["Message-ID"] = f"<{letter_id}@{letterhead.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    if letterhead.reply_to:
        message["Reply-To"] = letterhead.reply_to
    message.set_content(SEPARATOR.join(texts) + "\n")
    parts = [(each, _render(f"{kind}/{each}.html", each, letterhead, values)) for each in order]
    frame = _environment().get_template("frame.html")
    message.add_alternative(
        frame.render(parts=parts, subject=" / ".join(subjects), language=language, letterhead=letterhead),
        subtype="html",
    )
    # Last: setting the content drops every Content-… header that was there before.
    message["Content-Language"] = ", ".join(order)
    return message


def _subject_and_text(kind: str, language: str, letterhead: Letterhead, values: Mapping[str, Any]) -> tuple[str, str]:
    subject, _, text = _render(f"{kind}/{language}.txt", language, letterhead, values).partition("\n")
    return subject.strip(), text.strip()


def _render(template: str, language: str, letterhead: Letterhead, values: Mapping[str, Any]) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            university=letterhead.university[language],
            service_center=letterhead.service_center[language],
            service_center_url=letterhead.service_center_url,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("idp.letters"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
