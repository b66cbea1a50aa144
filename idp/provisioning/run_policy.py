"""What differs between the kinds of run while a run is applied, in one place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from idp.provisioning import removal, undo
from idp.provisioning.provisioner import Provisioner
from idp.provisioning.run import ChangeRow, Run, RunKind
from idp.provisioning.target import Target

LateCheck = Callable[[Provisioner, Target, Sequence[ChangeRow]], Mapping[int, str]]
Confirm = Callable[[Connection, Provisioner, Run, Target, Sequence[ChangeRow], datetime], None]


def _nothing(*_: object) -> None:
    """Confirm nothing besides the states."""


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """How runs of one kind are applied.

    Shape:   late_check: by number the changes that come too late, and why; None: all is judged before the first write
             sets_desired: what it writes is desired from then on; else it writes only what is desired already
             confirm: what else is stored with the changes that were made, before their states are
             finish: what is stored after the states; with any removed entry its claim and notice end
             ends_plans: plans that await approval and share its people become stale when it begins
    """

    late_check: LateCheck | None = None
    sets_desired: bool = False
    confirm: Confirm = _nothing
    finish: Confirm = removal.end_removed
    ends_plans: bool = False


POLICIES: Final[Mapping[RunKind, RunPolicy]] = {
    RunKind.SYNC: RunPolicy(),
    RunKind.MERGE: RunPolicy(),
    RunKind.UNDO: RunPolicy(undo.overtaken, sets_desired=True, confirm=undo.pin_undone, ends_plans=True),
    RunKind.REMOVAL: RunPolicy(removal.overtaken, confirm=removal.end_kept),
}
