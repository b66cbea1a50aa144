"""Today, and the next transfer of data, where the university is."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from idp.clock import Clock


def today(clock: Clock, time_zone: str) -> date:
    """Return the calendar day at the university, which late and due are counted in."""
    return clock.now().astimezone(ZoneInfo(time_zone)).date()


def next_transfer(now: datetime, time_zone: str, hour: int) -> datetime:
    """Return when student data come next: the coming `hour` o'clock at the university.

    Shape:   2026-10-01T10:00Z (noon in Opole), hour 12 -> 2026-10-02T12:00+02:00
    """
    local = now.astimezone(ZoneInfo(time_zone))
    transfer = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    return transfer if transfer > local else transfer + timedelta(days=1)
