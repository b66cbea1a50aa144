"""When a file that is right row by row is refused whole: limits on shares, each counted only above its floor. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from idp.errors import RefusedSource
from idp.registry.reasons import Refusal
from idp.registry.settings import RegistrySettings

FILL_FLOOR = 100  # rows; in fewer, how full a column is says nothing


def most_bad_rows(settings: RegistrySettings, rows: int) -> int:
    """Return how many bad rows a file of so many rows may have."""
    return max(settings.bad_rows_floor, int(settings.bad_rows_share * rows))


def too_many_bad_rows(reasons: "Counter[str]", rows: int) -> RefusedSource:
    """Return the refusal of a file whose bad rows were counted so far."""
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    return RefusedSource(
        f"At least {reasons.total()} of {rows} rows are bad ({why}): columns may be shifted, or the encoding wrong."
        " Nothing was taken.",
        Refusal.TOO_MANY_BAD_ROWS,
    )


def parts(settings: RegistrySettings, people: int, before: int) -> Iterator[RefusedSource]:
    """Yield why a full file looks like a part of one, beside what the last full file had."""
    if before - people > max(settings.fewer_people_floor, settings.fewer_people_share * before):
        yield RefusedSource(
            f"{people} people, and the last full file had {before}: this looks like a part. Nothing was taken."
            " A file that holds only changes is declared by --delta.",
            Refusal.FEWER_PEOPLE,
        )


def emptied(
    settings: RegistrySettings, rows: int, fill: Mapping[str, float], fill_before: Mapping[str, float]
) -> Iterator[RefusedSource]:
    """Yield which columns have lost their content, beside what the last full file had.

    Shape:   rows, fill: of the file, or of those whom we know where it holds only changes: newcomers are not like all
    """
    if rows < FILL_FLOOR:
        return
    for column, share in fill_before.items():
        if share - fill.get(column, 0.0) > settings.fill_drop_share:
            yield RefusedSource(
                f"Column {column} is filled in {fill.get(column, 0.0):.0%} of the rows, in the last full file in"
                f" {share:.0%}. Nothing was taken.",
                Refusal.COLUMN_EMPTIED,
            )


def too_old(
    settings: RegistrySettings, newest: datetime | None, newest_before: datetime | None, now: datetime
) -> Iterator[RefusedSource]:
    """Yield why a file is too old to be believed, by its newest row and that of all files taken before.

    Rows older than what is stored are skipped one by one anyway; this says that the export, or the copy, has stopped.
    """
    if newest is None or newest_before is None:
        return
    if now - newest > timedelta(days=settings.newest_row_days):
        yield RefusedSource(
            f"The newest row changed on {newest:%Y-%m-%d}, more than {settings.newest_row_days} days ago: the export"
            " seems to stand still. Nothing was taken.",
            Refusal.TOO_OLD,
        )
    if newest_before - newest > timedelta(days=settings.older_than_last_days):
        yield RefusedSource(
            f"The newest row changed on {newest:%Y-%m-%d}, and a file with rows of {newest_before:%Y-%m-%d} was taken"
            " before: this is an old file. Nothing was taken.",
            Refusal.TOO_OLD,
        )


def strangers(settings: RegistrySettings, changed: int, known: int) -> Iterator[RefusedSource]:
    """Yield why a file makes other people of too many: names swapped, a column sorted apart from the rest."""
    if changed > max(settings.identity_changes_floor, settings.identity_changes_share * known):
        yield RefusedSource(
            f"The file changes names, birth dates or national ids of {changed} of {known} known people."
            " Nothing was taken.",
            Refusal.TOO_MANY_CHANGES,
        )


def upheavals(
    settings: RegistrySettings, fields: Mapping[str, int], access_lost: int, known: int
) -> Iterator[RefusedSource]:
    """Yield why a file changes too much at once, valid as each row is: one column of most people, or who may sign in.

    Shape:   fields: people whose column changes, by column; known: people of the file whom we know, or all whom we
             know where the file holds only changes
    """
    if access_lost > max(settings.access_losses_floor, settings.access_losses_share * known):
        yield RefusedSource(
            f"By this file {access_lost} of {known} known people would lose access. Nothing was taken.",
            Refusal.TOO_MANY_STATUS_CHANGES,
        )
    most = max(settings.column_changes_floor, settings.column_changes_share * known)
    for field, count in fields.items():
        if count > most:
            yield RefusedSource(
                f"The file changes {field} of {count} of {known} known people. Nothing was taken.",
                Refusal.TOO_MANY_STATUS_CHANGES if field == "status" else Refusal.TOO_MANY_CHANGES,
            )
