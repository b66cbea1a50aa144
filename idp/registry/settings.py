"""`[registry]`: limits for an export, and the inbox."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from idp.settings import Section


class RegistrySettings(Section):
    """`[registry]`: limits on shares apply only above their floor, so small files are checked row by row."""

    bad_rows_share: Annotated[
        float, "A file with a larger share of bad rows is refused whole: its columns are shifted.", Field(ge=0, le=1)
    ] = 0.10
    bad_rows_floor: Annotated[int, "So many bad rows never refuse a file.", Field(ge=0)] = 20
    fewer_people_share: Annotated[
        float,
        "A full file that lacks a larger share of the last full file's people is refused: it is a part.",
        Field(ge=0, le=1),
    ] = 0.05
    fewer_people_floor: Annotated[int, "So many missing people never refuse a file.", Field(ge=0)] = 5
    identity_changes_share: Annotated[
        float,
        "A file that changes names, birth dates or national ids of a larger share of its people is refused.",
        Field(ge=0, le=1),
    ] = 0.05
    identity_changes_floor: Annotated[int, "So many such changes never refuse a file.", Field(ge=0)] = 20
    fill_drop_share: Annotated[
        float,
        "A file of 100 rows or more whose column is filled in a share of rows so much smaller than in the last full"
        " file is refused; of one that holds changes, rows of people whom we know count.",
        Field(ge=0, le=1),
    ] = 0.20
    column_changes_share: Annotated[
        float,
        "A file that changes one column of a larger share of the people is refused: swapped, or everybody the same.",
        Field(ge=0, le=1),
    ] = 0.50
    column_changes_floor: Annotated[int, "So many such changes never refuse a file.", Field(ge=0)] = 100
    access_losses_share: Annotated[
        float, "A file by which a larger share of the people would lose access is refused.", Field(ge=0, le=1)
    ] = 0.10
    access_losses_floor: Annotated[int, "So many people may always lose access by one file.", Field(ge=0)] = 50
    student_losses_share: Annotated[
        float,
        "A file by which a larger share of the people would lose student rights is refused.",
        Field(ge=0, le=1),
    ] = 0.05
    student_losses_floor: Annotated[int, "So many people may always lose student rights by one file.", Field(ge=0)] = 20
    newest_row_days: Annotated[
        int,
        "A file whose newest row changed longer ago is refused, except the first: the export has stopped.",
        Field(ge=1),
    ] = 60
    older_than_last_days: Annotated[
        int, "A file whose newest row is so much older than what was taken before is refused: an old file.", Field(ge=0)
    ] = 30
    inbox: Annotated[
        Path | None,
        "Folder that exports are picked up from: NAME.csv is a full one, NAME.delta.csv holds changes. Files that were"
        " taken go to done/ in it, others to refused/ with the reason beside them.",
    ] = None
    inbox_at_once: Annotated[
        bool, "Take a file as soon as it is finished; without this, only at the times of [jobs]."
    ] = True
    inbox_settle_s: Annotated[
        float,
        "Seconds without a write after which a file is finished, if the system cannot tell.",
        Field(ge=0),
    ] = 5.0
    inbox_keep_days: Annotated[
        int, "Days after which files in done/ and refused/ are deleted: they hold national ids.", Field(ge=0)
    ] = 14
    clock_skew_s: Annotated[
        int, "Seconds by which the registry's clock may be ahead of ours before its times are disbelieved.", Field(ge=0)
    ] = 300
    quarantine_days: Annotated[
        int, "Days after which a quarantined row is deleted when no file has brought it again.", Field(ge=1)
    ] = 90
    chunk_people: Annotated[
        int, "People per transaction of an import; others may write in between.", Field(ge=1, le=10_000)
    ] = 1000
