"""Calendar: days are Asia/Shanghai calendar days; working days come from a table of this project's own.

The table (`data/working_days.json`) is made by `seed_calendar.py` and versioned. A year that the State Council has not
announced in it is *provisional*: it is counted by plain weekdays, holidays unknown, and every answer that rests on it
says so (`WorkingDayTable.is_provisional`, `Deadline.provisional`).
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Final

import msgspec

from shared.values.clocks import SHANGHAI, Instant, utc

CLAIM_WINDOW_MONTHS: Final = 12

_DAY: Final = timedelta(days=1)


class WorkingDayTable(msgspec.Struct, frozen=True):
    """The days on which the announced years differ from plain weekdays: Mondays to Fridays off, weekends worked."""

    version: int
    source: str
    first_year: int
    last_year: int
    closed_weekdays: frozenset[date]
    worked_weekends: frozenset[date]

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open on `day`; outside the announced years: whether it is a Monday to Friday."""
        if day.weekday() < 5:
            return day not in self.closed_weekdays
        return day in self.worked_weekends

    def is_provisional(self, day: date) -> bool:
        """Whether the holidays of the day's year are not in the table."""
        return not self.first_year <= day.year <= self.last_year


class Deadline(msgspec.Struct, frozen=True):
    """The last day of a period counted in working days; `provisional` if it rests on a year not announced yet."""

    last_day: date
    provisional: bool
    table_version: int


@cache
def working_day_table() -> WorkingDayTable:
    """The table that ships with this version of the project."""
    data = resources.files("shared.values").joinpath("data/working_days.json").read_bytes()
    return msgspec.json.decode(data, type=WorkingDayTable)


def is_working_day(day: date, table: WorkingDayTable | None = None) -> bool:
    """Whether the Asia/Shanghai day is a working day; see `is_provisional`."""
    return (table or working_day_table()).is_working_day(day)


def is_provisional(day: date, table: WorkingDayTable | None = None) -> bool:
    """Whether the day's year has not been announced, so that only weekdays were counted."""
    return (table or working_day_table()).is_provisional(day)


def add_working_days(start: date, days: int, table: WorkingDayTable | None = None) -> date:
    """The last of `days` working days after `start`, which itself is not counted; zero days is `start`.

    Raises `ValueError` if `days` is negative.
    """
    return working_days_deadline(start, days, table).last_day


def working_days_deadline(start: date, days: int, table: WorkingDayTable | None = None) -> Deadline:
    """As `add_working_days`, and whether any day on the way is in a year not announced yet."""
    return _announced_deadline(start, days) if table is None else _deadline(start, days, table)


@lru_cache(1 << 12)
def _announced_deadline(start: date, days: int) -> Deadline:
    """By the table that ships with the project; most periods of a day begin on that day."""
    return _deadline(start, days, working_day_table())


def _deadline(start: date, days: int, table: WorkingDayTable) -> Deadline:
    if days < 0:
        raise ValueError("a period in working days is not negative")
    day, provisional = start, False
    while days:
        day += _DAY
        provisional = provisional or table.is_provisional(day)
        days -= table.is_working_day(day)
    return Deadline(day, provisional, table.version)


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` calendar months later; where that day is missing, the month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def claim_window_last_day(issued: date, months: int = CLAIM_WINDOW_MONTHS) -> date:
    """The last Asia/Shanghai day, inclusive, to claim for a certificate issued on `issued` (clause B-15).

    Issued 2024-02-29: 2025-02-28. Issued 2025-12-31: 2026-12-31.
    """
    return add_months(issued, months)


def anniversary(day: date, years: int) -> date:
    """The `years`-th anniversary, 28 February where 29 is missing; for clause B-10 the third itself still counts."""
    return add_months(day, 12 * years)


def shanghai_date(moment: Instant) -> date:
    """The Asia/Shanghai calendar day of a moment; raises `ValueError` for a naive one."""
    return utc(moment).astimezone(SHANGHAI).date()


def start_of_day(day: date) -> Instant:
    """The first moment of an Asia/Shanghai day, in UTC."""
    return datetime.combine(day, time.min, SHANGHAI).astimezone(UTC)


def end_of_day(day: date) -> Instant:
    """The moment in UTC at which an Asia/Shanghai day is over: the first of the next day, no longer part of `day`.

    A deadline is kept while `now < end_of_day(last_day)`; a timer set to it wakes when the day has passed.
    """
    return start_of_day(day + _DAY)
