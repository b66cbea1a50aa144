"""Limits that refuse a whole file. Each is a share of the people or rows, above a floor. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from idp.errors import RefusedSource
from idp.registry.reasons import Refusal
from idp.registry.results import Counts
from idp.registry.settings import RegistrySettings

FILL_FLOOR = 100  # rows; in fewer, the fill of a column says nothing


def most_bad_rows(settings: RegistrySettings, rows: int) -> int:
    """Return how many bad rows a file of `rows` rows may have."""
    return _most(settings.bad_rows_share, settings.bad_rows_floor, rows)


def too_many_bad_rows(reasons: "Counter[str]", rows: int) -> RefusedSource:
    """Return the refusal of a file with too many bad rows, by the rows counted so far."""
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(3))
    return _refused(
        Refusal.TOO_MANY_BAD_ROWS,
        f"At least {reasons.total():,} of {rows:,} rows are bad ({why}), more than registry.bad_rows_share: columns may"
        " be shifted, or the encoding wrong.",
    )


def missing_people(settings: RegistrySettings, people: int, before: int) -> Iterator[RefusedSource]:
    """Yield a refusal if a full file has far fewer people than the last full file."""
    most = _most(settings.fewer_people_share, settings.fewer_people_floor, before)
    if before - people > most:
        yield _refused(
            Refusal.FEWER_PEOPLE,
            f"{people:,} people, and the last full file had {before:,}: this looks like a part. At most {most:,} fewer"
            " are believed (registry.fewer_people_share). A file that holds only changes is declared by --delta.",
        )


def emptied_columns(
    settings: RegistrySettings, rows: int, fill: Mapping[str, float], fill_before: Mapping[str, float]
) -> Iterator[RefusedSource]:
    """Yield a refusal for each column that is far less full than in the last full file.

    Shape:   rows, fill: of the file; for a file of changes, of known people only, because new people differ
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
    """Yield a refusal if a file is too old, by its newest row and the newest row of earlier files.

    Stale rows are skipped anyway. This limit reports that the export, or its copy, has stopped.
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
    """Yield a refusal if a file changes who too many people are: columns swapped, or one sorted apart."""
    most = _most(settings.identity_changes_share, settings.identity_changes_floor, known)
    if changed > most:
        yield _refused(
            Refusal.TOO_MANY_CHANGES,
            f"The file changes names, birth dates or national ids of {changed:,} of {known:,} known people; at most"
            f" {most:,} are believed (registry.identity_changes_share).",
        )


def mass_changes(settings: RegistrySettings, counts: Counts, known: int) -> Iterator[RefusedSource]:
    """Yield a refusal for each limit on changes: student rights, access, or one column of most people.

    Shape:   known: known people of a full file; for a file of changes, all known people
    """
    most = _most(settings.student_losses_share, settings.student_losses_floor, known)
    if counts.student_rights_lost > most:
        yield _refused(
            Refusal.TOO_MANY_STUDENT_LOSSES,
            f"By this file {counts.student_rights_lost:,} of {known:,} known people would lose student rights; at most"
            f" {most:,} are believed (registry.student_losses_share).",
        )
    most = _most(settings.access_losses_share, settings.access_losses_floor, known)
    if counts.access_lost > most:
        yield _refused(
            Refusal.TOO_MANY_STATUS_CHANGES,
            f"By this file {counts.access_lost:,} of {known:,} known people would lose access; at most {most:,} are"
            " believed (registry.access_losses_share).",
        )
    most = _most(settings.column_changes_share, settings.column_changes_floor, known)
    for field, count in counts.fields.items():
        if count > most:
            yield _refused(
                Refusal.TOO_MANY_STATUS_CHANGES if field == "status" else Refusal.TOO_MANY_CHANGES,
                f"The file changes {field} of {count:,} of {known:,} known people; at most {most:,} are believed"
                " (registry.column_changes_share).",
            )


def _most(share: float, floor: int, of: int) -> int:
    return max(floor, int(share * of))


def _refused(reason: Refusal, what: str) -> RefusedSource:
    """Return a refusal that names the limit and the command that accepts it."""
    return RefusedSource(
        f"{what} Nothing was taken. If you have looked and the file is right: idp registry import FILE"
        f" --accept {reason}",
        reason,
    )
