"""Clocks: the zones in which this project stores instants (UTC) and decides days (Asia/Shanghai)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final, TypeAlias

Instant: TypeAlias = datetime
"""A moment; always aware, in UTC once it has passed through `utc`."""

# China has kept UTC+8 without daylight saving since 1991-09-15, before any date that is decided here, so that a fixed
# offset is exact and no time zone database has to be installed.
SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


def utc(moment: datetime) -> Instant:
    """The same moment in UTC; raises `ValueError` for a naive one, whose zone would have to be guessed."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC)


def from_unix_ms(unix_ms: int) -> Instant:
    """The UTC instant of milliseconds since 1970-01-01T00:00Z, exactly (no float in between)."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unix_ms)


def to_unix_ms(moment: Instant) -> int:
    """Whole milliseconds since 1970-01-01T00:00Z, rounded down; raises `ValueError` for a naive moment."""
    return (utc(moment) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
