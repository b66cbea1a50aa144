"""The album letter: first-years learn their album number at the address that they gave at enrolment, once."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from idp.clock import Clock
from idp.db.databases import Databases
from idp.errors import InvalidAddress
from idp.keys.key_files import Keys
from idp.letters.outgoing import queue_letter, require_address
from idp.letters.queries import Newcomer, newcomers_without_letter
from idp.letters.settings import LettersSettings
from idp.people.values import Status
from idp.permissions import Actor, Permission

KIND = "album"
ONCE = "album:"
NEW = (Status.ADMITTED.value, Status.ACTIVE.value)
CHUNK = 500


@dataclass(frozen=True, slots=True)
class AlbumLetters:
    """What became of a round: letters queued, and people whose address cannot be used."""

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
    """Queue an album letter for every newcomer who never got one.

    Shape:   newcomer: has an album number and an enrolment address, has not claimed the account, and was admitted
             within `album_letter_days` on one of `album_letter_levels`, being admitted or active there
    Raises:  NotAllowed
    Effect:  letters in chunks of 500, each in one transaction; a repeat queues nothing twice. A dry run writes nothing.
    """
    actor.require(Permission.LETTERS_SEND)
    queued, after, unwritable = 0, "", list[str]()
    while newcomers := _newcomers(databases, settings, clock, zone, after):
        after = newcomers[-1].person_id
        writable = [newcomer for newcomer in newcomers if _is_writable(newcomer)]
        unwritable += [newcomer.person_id for newcomer in newcomers if newcomer not in writable]
        queued += len(writable) if dry_run else _queue_chunk(databases, keys, clock, account_url, writable)
    return AlbumLetters(queued, tuple(unwritable))


def _newcomers(
    databases: Databases, settings: LettersSettings, clock: Clock, zone: ZoneInfo, after: str
) -> list[Newcomer]:
    today = clock.now().astimezone(zone).date()
    since = today - timedelta(days=settings.album_letter_days)
    with databases.identity.read() as connection:
        return newcomers_without_letter(connection, ONCE, since, settings.album_letter_levels, NEW, after, CHUNK)


def _queue_chunk(databases: Databases, keys: Keys, clock: Clock, account_url: str, newcomers: list[Newcomer]) -> int:
    with databases.identity.write() as connection:
        return sum(
            queue_letter(
                connection,
                keys,
                clock,
                kind=KIND,
                once_key=ONCE + newcomer.person_id,
                person_id=newcomer.person_id,
                to=newcomer.private_mail,
                language=newcomer.language,
                data={"given_name": newcomer.given_name, "album": newcomer.album, "account_url": account_url},
            )
            for newcomer in newcomers
        )


def _is_writable(newcomer: Newcomer) -> bool:
    try:
        require_address(newcomer.private_mail)
    except InvalidAddress:
        return False
    return True
