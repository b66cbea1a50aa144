"""The result of an import, in numbers."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Sums over rows and people, counted during an import."""

    added: int = 0
    changed: int = 0
    stale_rows: int = 0
    who_changed: int = 0
    access_lost: int = 0
    student_rights_lost: int = 0
    same_pesel: int = 0
    resolved: int = 0
    fields: "Counter[str]" = field(default_factory=Counter)
    quarantined: "Counter[str]" = field(default_factory=Counter)  # rows by reason
    remarks: "Counter[str]" = field(default_factory=Counter)

    @property
    def bad_rows(self) -> int:
        """Rows that go to the quarantine."""
        return self.quarantined.total()


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import."""

    import_id: str
    file: str
    digest: str  # SHA-256 of the file
    is_delta: bool
    same_file_as: str | None  # an earlier import that took exactly these bytes
    rows: int
    people: int
    added: int
    changed: int
    unchanged: int
    absent: int  # stored and not in this full file; nothing happens to them
    stale_rows: int
    quarantined_rows: int
    quarantined: dict[str, int]  # rows by reason
    resolved_rows: int  # left the quarantine because valid rows came
    changed_fields: dict[str, int]
    remarks: dict[str, int]
    same_pesel: int  # numbers that now stand for two people
    duration_s: float
