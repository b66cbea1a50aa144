"""Which days count as working days in Poland: no Saturdays, Sundays and public holidays."""

from datetime import date, timedelta
from functools import cache

import holidays

SATURDAY = 5
ONE_DAY = timedelta(days=1)


def is_working_day(day: date) -> bool:
    """Tell whether banks and offices work on `day`."""
    return day.weekday() < SATURDAY and day not in _holidays_of(day.year)


def same_or_next_working_day(day: date) -> date:
    """Return `day`, or the first working day after it."""
    while not is_working_day(day):
        day += ONE_DAY
    return day


@cache
def _holidays_of(year: int) -> frozenset[date]:
    # python-holidays knows 24 December, free since 2025; other libraries do not (docs/domain.md).
    return frozenset(holidays.country_holidays("PL", years=year))
