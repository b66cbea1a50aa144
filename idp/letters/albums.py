"""The album letter: it sends a new student the album number once, to the enrolment address."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import InvalidAddress
from idp.keys.key_files import Keys
from idp.letters.outgoing import queue_letter, require_address
from idp.letters.queries import Recipient, recipients_without_letter
from idp.letters.settings import LettersSettings
from idp.people.values import Status
from idp.permissions import Actor, Permission

KIND = "album"
ONCE = "album:"
NEW = (Status.ADMITTED.value, Status.ACTIVE.value)
CHUNK = 500


@dataclass(frozen=True, slots=True)
class AlbumLetters:
    """The result of a round: letters queued, and people whose address cannot be used."""

    queued: int
    unwritable: tuple[str, ...]  # person_ids


def queue_album_letters(
    databases: Databases,
    keys: Keys,
    settings: LettersSettings,
    clock: Clock,
    zone: ZoneInfo,
    account_url: str,
    actor: Actor,
    *,
    dry_run: bool = False,
) -> AlbumLetters:
    """Queue an album letter for every new student who never got one.

    Shape:   new student: has an album number and an enrolment address, has not claimed the account, and was admitted
             within `album_letter_days` on one of `album_letter_levels`, being admitted or active there
    Raises:  NotAllowed
    Effect:  letters in chunks of 500, each in one transaction; a repeat queues nothing twice. A dry run writes nothing.
    """
    actor.require(Permission.LETTERS_SEND)
    queued, after, unwritable = 0, "", list[str]()
    while recipients := _recipients(databases, settings, clock, zone, after):
        after = recipients[-1].person_id
        writable = [recipient for recipient in recipients if _is_writable(recipient)]
        unwritable += [recipient.person_id for recipient in recipients if recipient not in writable]
        queued += len(writable) if dry_run else _queue_chunk(databases, keys, clock, account_url, writable)
    return AlbumLetters(queued, tuple(unwritable))


def _recipients(
    databases: Databases, settings: LettersSettings, clock: Clock, zone: ZoneInfo, after: str
) -> list[Recipient]:
    today = clock.now().astimezone(zone).date()
    since = today - timedelta(days=settings.album_letter_days)
    with databases.identity.read() as connection:
        return recipients_without_letter(connection, ONCE, since, settings.album_letter_levels, NEW, after, CHUNK)


def _queue_chunk(databases: Databases, keys: Keys, clock: Clock, account_url: str, recipients: list[Recipient]) -> int:
    with databases.identity.write() as connection:
        return sum(
            queue_letter(
                connection,
                keys,
                clock,
                kind=KIND,
                once_key=ONCE + recipient.person_id,
                person_id=recipient.person_id,
                to=recipient.private_mail,
                language=recipient.language,
                data={"given_name": recipient.given_name, "album": recipient.album, "account_url": account_url},
            )
            for recipient in recipients
        )


def _is_writable(recipient: Recipient) -> bool:
    try:
        require_address(recipient.private_mail)
    except InvalidAddress:
        return False
    return True
