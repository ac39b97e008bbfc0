"""Writes data/working_days.json from the `chinesecalendar` package: `python -m shared.values.seed_calendar`.

Run it when the State Council has announced a year and the package knows it; the version grows only if the days changed.
"""

import sys
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

import chinese_calendar
import msgspec

from shared.values.calendar import WorkingDayTable

PATH = Path(__file__).parent / "data" / "working_days.json"
FIRST_YEAR, LAST_YEAR = 2004, 2026


def build(table_version: int) -> WorkingDayTable:
    """The table of the announced years; raises `NotImplementedError` if the package does not know one of them."""
    days = [
        date(FIRST_YEAR, 1, 1) + timedelta(days=n)
        for n in range((date(LAST_YEAR + 1, 1, 1) - date(FIRST_YEAR, 1, 1)).days)
    ]
    return WorkingDayTable(
        version=table_version,
        source=f"chinesecalendar {version('chinesecalendar')}",
        first_year=FIRST_YEAR,
        last_year=LAST_YEAR,
        closed_weekdays=frozenset(d for d in days if d.weekday() < 5 and not chinese_calendar.is_workday(d)),
        worked_weekends=frozenset(d for d in days if d.weekday() >= 5 and chinese_calendar.is_workday(d)),
    )


def main() -> None:
    """Writes the file if the days differ from those in it."""
    old = msgspec.json.decode(PATH.read_bytes(), type=WorkingDayTable) if PATH.exists() else None
    new = build(old.version if old else 1)
    if new == old:
        sys.stdout.write(f"version {new.version} is current\n")
        return
    new = msgspec.structs.replace(new, version=old.version + 1 if old else 1)
    PATH.write_bytes(msgspec.json.format(msgspec.json.encode(new, order="sorted"), indent=1) + b"\n")
    sys.stdout.write(f"wrote version {new.version}\n")


if __name__ == "__main__":
    main()
