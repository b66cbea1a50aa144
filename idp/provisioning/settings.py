"""`[provisioning]`: how much may change at once, and in what portions."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from idp.provisioning.guard import Limits
from idp.provisioning.values import Kind
from idp.settings import Section

_SHARE = Field(ge=0, le=1)
_FLOOR = Field(ge=0)


class LimitSettings(Section):
    """`[provisioning.limits]`: the most that one run may change in one target; over any of these it writes nothing."""

    create_share: Annotated[float, "Part of our entries that may be added at once; a first load is free.", _SHARE] = 0.5
    create_floor: Annotated[int, "So many may always be added.", _FLOOR] = 500
    update_share: Annotated[float, "Part of our entries whose attributes may change at once.", _SHARE] = 0.1
    update_floor: Annotated[int, "So many may always change.", _FLOOR] = 100
    rename_share: Annotated[float, "Part of our entries that may be renamed at once.", _SHARE] = 0.01
    rename_floor: Annotated[int, "So many may always be renamed.", _FLOOR] = 10
    disable_share: Annotated[float, "Part of our entries that may be shut at once.", _SHARE] = 0.02
    disable_floor: Annotated[int, "So many may always be shut.", _FLOOR] = 50
    enable_share: Annotated[float, "Part of our entries that may be opened again at once.", _SHARE] = 0.02
    enable_floor: Annotated[int, "So many may always be opened again.", _FLOOR] = 50
    move_share: Annotated[float, "Part of our entries that may be moved within the target at once.", _SHARE] = 0.01
    move_floor: Annotated[int, "So many may always be moved.", _FLOOR] = 10
    remove_share: Annotated[float, "Part of our entries that may be removed at once.", _SHARE] = 0.0
    remove_floor: Annotated[int, "So many may always be removed.", _FLOOR] = 0

    def by_kind(self) -> Mapping[Kind, Limits]:
        """Return the limits as the guard takes them."""
        return {kind: Limits(getattr(self, f"{kind}_share"), getattr(self, f"{kind}_floor")) for kind in Kind}


class ProvisioningSettings(Section):
    """`[provisioning]`: in what portions targets are written, and what the worker does by itself."""

    limits: Annotated[LimitSettings, "Most changes of each kind in one run."] = LimitSettings()
    batch: Annotated[int, "Changes written to a target between two commits of the journal.", Field(ge=1, le=5000)] = 500
    sweep_people: Annotated[
        int, "People changed by an import that the worker brings true by itself; more of them wait for `idp apply`."
    ] = 200
    retry_s: Annotated[float, "Seconds until a failed person is tried again; doubled each time.", Field(gt=0)] = 5.0
    retry_most_s: Annotated[float, "Longest wait between two tries of one person.", Field(gt=0)] = 900.0
