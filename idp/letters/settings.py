"""`[letters]`: how letters leave, and who gets the album letter."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from idp.hosts import LOOPBACK
from idp.settings import Section


class LettersSettings(Section):
    """`[letters]`: how letters are sent: to a folder for trials, or by SMTP."""

    transport: Annotated[Literal["folder", "smtp"], "folder: each letter becomes a file; smtp: it is sent."] = "folder"
    folder: Annotated[
        Path, "Folder for the .eml files of the transport `folder`. They hold links: keep it private."
    ] = Path("letters")
    from_address: Annotated[str, "Sender of our letters."] = "no-reply@po.edu.pl"
    reply_to: Annotated[str, "Where answers go; empty: nowhere in particular."] = ""
    smtp_host: Annotated[str, "Mail server that takes our letters."] = "127.0.0.1"
    smtp_port: Annotated[int, "Its port.", Field(ge=1, le=65535)] = 25
    smtp_start_tls: Annotated[bool, "Switch to TLS by STARTTLS before anything is sent."] = False
    smtp_ca_file: Annotated[Path | None, "CA certificates (PEM) beside the system's, for the mail server."] = None
    smtp_user: Annotated[str, "User name at the mail server; empty: none."] = ""
    smtp_password_file: Annotated[Path | None, "File with the password for it."] = None
    smtp_timeout_s: Annotated[float, "Seconds to wait for the mail server.", Field(gt=0)] = 10.0
    per_round: Annotated[int, "Letters sent in one round of the worker.", Field(ge=1)] = 50
    retry_s: Annotated[float, "Seconds before the second attempt; each further wait is twice as long.", Field(gt=0)] = (
        60.0
    )
    longest_wait_s: Annotated[float, "The longest wait between two attempts.", Field(gt=0)] = 6 * 3600.0
    max_attempts: Annotated[int, "Attempts before a letter is given up.", Field(ge=1)] = 12
    album_letter_days: Annotated[int, "Album letters go to students admitted within that many days.", Field(ge=1)] = 180
    album_letter_levels: Annotated[list[str], "Levels of study whose new students get an album letter."] = [
        "1",
        "JM",
        "2",
    ]

    @model_validator(mode="after")
    def _letters_with_links_do_not_travel_in_the_clear(self) -> Self:
        if self.transport == "smtp" and not self.smtp_start_tls and self.smtp_host not in LOOPBACK:
            raise ValueError("smtp_start_tls: letters would travel unencrypted to another machine; switch it on")
        return self
