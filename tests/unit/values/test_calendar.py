"""Days are Asia/Shanghai days; windows, anniversaries and working days are counted as POLICY.md reads the clauses."""

from datetime import UTC, date, datetime, timedelta, timezone

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import seed_calendar
from shared.values.calendar import (
    add_months,
    add_working_days,
    anniversary,
    claim_window_last_day,
    end_of_day,
    is_provisional,
    is_working_day,
    shanghai_date,
    start_of_day,
    working_day_table,
    working_days_deadline,
)
from shared.values.clocks import SHANGHAI, from_unix_ms, to_unix_ms, utc

days = st.dates(date(1992, 1, 1), date(2090, 12, 31))
announced = st.dates(date(2004, 1, 1), date(2026, 12, 31))
moments = st.datetimes(datetime(1992, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.clause("B-15")
@pytest.mark.parametrize(
    ("issued", "last_day"),
    [
        (date(2024, 2, 29), date(2025, 2, 28)),
        (date(2025, 12, 31), date(2026, 12, 31)),
        (date(2023, 2, 28), date(2024, 2, 28)),
        (date(2023, 5, 1), date(2024, 5, 1)),
        (date(2025, 3, 31), date(2026, 3, 31)),
    ],
)
def test_the_claim_window_ends_on_the_same_day_twelve_months_later(issued: date, last_day: date) -> None:
    assert claim_window_last_day(issued) == last_day


@pytest.mark.clause("B-15")
def test_the_window_closes_at_midnight_in_shanghai_not_in_utc() -> None:
    last_day = claim_window_last_day(date(2024, 2, 29))
    assert shanghai_date(datetime(2025, 2, 28, 15, 59, 59, 999999, UTC)) == last_day
    assert shanghai_date(datetime(2025, 2, 28, 16, 0, tzinfo=UTC)) == last_day + timedelta(days=1)
    assert end_of_day(last_day) == datetime(2025, 2, 28, 16, 0, tzinfo=UTC)


@pytest.mark.clause("B-15")
@given(days)
def test_a_claim_window_is_a_year_to_the_day_or_ends_with_the_month(issued: date) -> None:
    last_day = claim_window_last_day(issued)
    assert (last_day.year, last_day.month) == (issued.year + 1, issued.month)
    assert last_day.day == issued.day or (issued.month, issued.day, last_day.day) == (2, 29, 28)


@given(days, days)
def test_a_later_certificate_never_closes_earlier(one: date, other: date) -> None:
    first, second = sorted((one, other))
    assert claim_window_last_day(first) <= claim_window_last_day(second)


@given(days, st.integers(0, 60))
def test_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    ("months", "day"),
    [(1, date(2025, 2, 28)), (13, date(2026, 2, 28)), (-1, date(2024, 12, 31)), (0, date(2025, 1, 31))],
)
def test_the_last_of_january_moves_to_the_end_of_february(months: int, day: date) -> None:
    assert add_months(date(2025, 1, 31), months) == day


@pytest.mark.clause("B-10")
@pytest.mark.parametrize(
    ("registered", "third"),
    [
        (date(2022, 3, 3), date(2025, 3, 3)),
        (date(2020, 2, 29), date(2023, 2, 28)),
        (date(2021, 12, 31), date(2024, 12, 31)),
    ],
)
def test_an_organisation_is_within_three_years_up_to_and_on_its_third_anniversary(
    registered: date, third: date
) -> None:
    assert anniversary(registered, 3) == third


@given(st.dates(date(2004, 1, 1), date(2026, 12, 31)))
def test_the_table_agrees_with_its_source_for_every_announced_year(day: date) -> None:
    assert is_working_day(day) == chinese_calendar.is_workday(day)
    assert not is_provisional(day)


def test_the_table_is_what_the_seeding_script_makes() -> None:
    table = working_day_table()
    assert seed_calendar.build(table.version) == table


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        (date(2025, 1, 26), True),  # a Sunday, worked before the Spring Festival
        (date(2025, 1, 28), False),
        (date(2025, 4, 4), False),
        (date(2025, 9, 28), True),
        (date(2025, 10, 8), False),
        (date(2026, 1, 4), True),
        (date(2025, 3, 3), True),
        (date(2025, 3, 2), False),
    ],
)
def test_holidays_and_worked_weekends_are_those_announced(day: date, open_: bool) -> None:
    assert is_working_day(day) is open_


@given(st.dates(date(2027, 1, 1), date(2090, 12, 31)))
def test_a_year_not_announced_counts_weekdays_and_says_so(day: date) -> None:
    assert is_working_day(day) == (day.weekday() < 5)
    assert is_provisional(day)


@pytest.mark.clause("B-18")
@pytest.mark.parametrize(
    ("published", "last_day"),
    [
        (date(2025, 3, 3), date(2025, 3, 10)),
        (date(2025, 9, 26), date(2025, 10, 10)),  # worked Sunday, then eight days of National Day
        (date(2025, 3, 8), date(2025, 3, 14)),  # published on a Saturday
    ],
)
def test_five_working_days_of_notice_do_not_count_the_day_of_publication(published: date, last_day: date) -> None:
    assert add_working_days(published, 5) == last_day


@given(days, st.integers(0, 40), st.integers(0, 40))
def test_working_days_add_up(start: date, first: int, second: int) -> None:
    assert add_working_days(add_working_days(start, first), second) == add_working_days(start, first + second)


@given(announced, st.integers(1, 30))
def test_exactly_that_many_working_days_lie_after_the_start(start: date, count: int) -> None:
    last = add_working_days(start, count)
    passed = [start + timedelta(days=n) for n in range(1, (last - start).days + 1)]
    assert sum(map(is_working_day, passed)) == count
    assert is_working_day(last)


def test_a_deadline_says_whether_it_rests_on_a_year_not_announced() -> None:
    settled = working_days_deadline(date(2026, 12, 21), 5)
    open_ = working_days_deadline(date(2026, 12, 28), 5)
    assert (settled.provisional, settled.last_day) == (False, date(2026, 12, 28))
    assert (open_.provisional, open_.last_day) == (True, date(2027, 1, 4))
    assert open_.table_version == working_day_table().version


def test_a_period_of_negative_length_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="negative"):
        add_working_days(date(2025, 3, 3), -1)


@given(moments)
def test_every_moment_lies_in_its_own_shanghai_day(moment: datetime) -> None:
    day = shanghai_date(moment)
    assert start_of_day(day) <= moment < end_of_day(day)
    assert start_of_day(day).tzinfo is UTC


def test_the_day_in_shanghai_does_not_depend_on_the_zone_of_the_moment() -> None:
    moment = datetime(2025, 3, 3, 9, 0, tzinfo=SHANGHAI)
    assert shanghai_date(moment) == shanghai_date(utc(moment)) == date(2025, 3, 3)
    assert shanghai_date(moment.astimezone(timezone(-timedelta(hours=10)))) == date(2025, 3, 3)


@given(moments)
def test_milliseconds_and_moments_are_turned_into_each_other_exactly(moment: datetime) -> None:
    assert timedelta(0) <= moment - from_unix_ms(to_unix_ms(moment)) < timedelta(milliseconds=1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        shanghai_date(datetime(2025, 3, 3))  # noqa: DTZ001
