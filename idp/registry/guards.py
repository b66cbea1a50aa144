"""When a file that is right row by row is refused whole: limits on shares, each counted only above its floor. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from idp.errors import RefusedSource
from idp.registry.reasons import Refusal
from idp.registry.results import Counts
from idp.registry.settings import RegistrySettings

FILL_FLOOR = 100  # rows; in fewer, how full a column is says nothing


def most_bad_rows(settings: RegistrySettings, rows: int) -> int:
    """Return how many bad rows a file of so many rows may have."""
    return _most(settings.bad_rows_share, settings.bad_rows_floor, rows)


def too_many_bad_rows(reasons: "Counter[str]", rows: int) -> RefusedSource:
    """Return the refusal of a file whose bad rows were counted so far."""
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    return _refused(
        Refusal.TOO_MANY_BAD_ROWS,
        f"At least {reasons.total()} of {rows} rows are bad ({why}), more than registry.bad_rows_share: columns may be"
        " shifted, or the encoding wrong.",
    )


def missing_people(settings: RegistrySettings, people: int, before: int) -> Iterator[RefusedSource]:
    """Yield why a full file looks like a part of one, beside what the last full file had."""
    most = _most(settings.fewer_people_share, settings.fewer_people_floor, before)
    if before - people > most:
        yield _refused(
            Refusal.FEWER_PEOPLE,
            f"{people} people, and the last full file had {before}: this looks like a part. At most {most} fewer are"
            " believed (registry.fewer_people_share). A file that holds only changes is declared by --delta.",
        )


def emptied_columns(
    settings: RegistrySettings, rows: int, fill: Mapping[str, float], fill_before: Mapping[str, float]
) -> Iterator[RefusedSource]:
    """Yield which columns have lost their content, beside what the last full file had.

    Shape:   rows, fill: of the file, or of those whom we know where it holds only changes: newcomers are not like all
    """
    if rows < FILL_FLOOR:
        return
    for column, share in fill_before.items():
        if share - fill.get(column, 0.0) > settings.fill_drop_share:
            yield _refused(
                Refusal.COLUMN_EMPTIED,
                f"Column {column} is filled in {fill.get(column, 0.0):.0%} of the rows, in the last full file in"
                f" {share:.0%}; a drop of {settings.fill_drop_share:.0%} is believed (registry.fill_drop_share).",
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
        yield _refused(
            Refusal.TOO_OLD,
            f"The newest row changed on {newest:%Y-%m-%d}, more than {settings.newest_row_days} days ago"
            " (registry.newest_row_days): the export seems to stand still.",
        )
    if newest_before - newest > timedelta(days=settings.older_than_last_days):
        yield _refused(
            Refusal.TOO_OLD,
            f"The newest row changed on {newest:%Y-%m-%d}, and a file with rows of {newest_before:%Y-%m-%d} was taken"
            f" before: this is an old file. {settings.older_than_last_days} days are believed"
            " (registry.older_than_last_days).",
        )


def identity_changes(settings: RegistrySettings, changed: int, known: int) -> Iterator[RefusedSource]:
    """Yield why a file makes other people of too many: names swapped, a column sorted apart from the rest."""
    most = _most(settings.identity_changes_share, settings.identity_changes_floor, known)
    if changed > most:
        yield _refused(
            Refusal.TOO_MANY_CHANGES,
            f"The file changes names, birth dates or national ids of {changed} of {known} known people; at most {most}"
            " are believed (registry.identity_changes_share).",
        )


def mass_changes(settings: RegistrySettings, counts: Counts, known: int) -> Iterator[RefusedSource]:
    """Yield why a file changes too much at once: student rights, access, or one column of most people.

    Shape:   known: known people of a full file; for a file of changes, all known people
    """
    most = _most(settings.student_losses_share, settings.student_losses_floor, known)
    if counts.student_rights_lost > most:
        yield _refused(
            Refusal.TOO_MANY_STUDENT_LOSSES,
            f"By this file {counts.student_rights_lost} of {known} known people would lose student rights; at most"
            f" {most} are believed (registry.student_losses_share).",
        )
    most = _most(settings.access_losses_share, settings.access_losses_floor, known)
    if counts.access_lost > most:
        yield _refused(
            Refusal.TOO_MANY_STATUS_CHANGES,
            f"By this file {counts.access_lost} of {known} known people would lose access; at most {most} are believed"
            " (registry.access_losses_share).",
        )
    most = _most(settings.column_changes_share, settings.column_changes_floor, known)
    for field, count in counts.fields.items():
        if count > most:
            yield _refused(
                Refusal.TOO_MANY_STATUS_CHANGES if field == "status" else Refusal.TOO_MANY_CHANGES,
                f"The file changes {field} of {count} of {known} known people; at most {most} are believed"
                " (registry.column_changes_share).",
            )


def _most(share: float, floor: int, of: int) -> int:
    return max(floor, int(share * of))


def _refused(reason: Refusal, what: str) -> RefusedSource:
    """Say what is over which limit, and how somebody who has looked accepts it."""
    return RefusedSource(
        f"{what} Nothing was taken. If you have looked and the file is right: idp registry import FILE"
        f" --accept {reason}",
        reason,
    )
