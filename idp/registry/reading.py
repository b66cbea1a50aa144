"""Read people from an export without importing it. Nothing is stored."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from idp.people.queries import Identity
from idp.people.status import local_date
from idp.registry.export_file import Progress, open_export, split, validate_file
from idp.registry.rows import BadRow, Rules, read_row, read_stamp
from idp.registry.scan import scan_file
from idp.registry.settings import RegistrySettings


class ReadPerson(msgspec.Struct, frozen=True):
    """One person of a file. `identity` is None if all their rows are bad."""

    os_id: str
    line: int
    identity: Identity | None


def read_people(
    file: Path, now: datetime, zone: ZoneInfo, settings: RegistrySettings, progress: Progress
) -> Iterator[ReadPerson]:
    """Yield the people of a file in the order of appearance, as an import reads them, without national ids.

    Raises:  RefusedSource when the file is no registry export
    """
    believed_until = now + timedelta(seconds=settings.clock_skew_s)
    rules = Rules(local_date(now, zone), believed_until, _nothing)
    with open_export(file) as opened:
        source = validate_file(opened, file.name.encode(errors="replace").decode(), progress)
        # The digests of rows are not used here, so any key will do.
        found = scan_file(source, b"preview", believed_until, None, progress)
        for place, os_id in enumerate(found.os_ids):
            rows = found.texts(place)
            good = [identity for line, text in rows if (identity := _identity(line, text, rules)) is not None]
            yield ReadPerson(str(os_id), rows[0][0], good[-1] if good else None)
            if not place % 500:
                progress("checking", place, len(found.os_ids))


def _identity(line: int, text: str, rules: Rules) -> Identity | None:
    try:
        fields = split(text)
        return read_row(line, fields, read_stamp(fields, rules), rules).identity
    except (BadRow, csv.Error):
        return None


def _nothing(_purpose: str, _text: str) -> str:
    return ""
