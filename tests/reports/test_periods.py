"""Which time a report is about, and when the next one comes, on the wall clock of its zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.periods import find_next, find_period, find_previous, name_days

VIENNA = ZoneInfo("Europe/Vienna")
# A Wednesday, three days after the clocks went back.
NOW = datetime(2026, 10, 28, 7, 30, tzinfo=UTC)
moments = st.integers(1_577_836_800, 2_051_222_400).map(lambda at: datetime.fromtimestamp(at, UTC))
zones = st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata"]).map(ZoneInfo)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", (2026, 10, 27), (2026, 10, 28)),
        ("week", (2026, 10, 19), (2026, 10, 26)),
        ("month", (2026, 9, 1), (2026, 10, 1)),
    ],
)
def test_a_calendar_period_is_the_last_whole_one_of_the_zone(period, start, end):
    found = find_period(period, NOW, VIENNA)
    assert found == (datetime(*start, tzinfo=VIENNA), datetime(*end, tzinfo=VIENNA))


def test_the_week_in_which_the_clocks_went_back_is_an_hour_longer():
    start, end = find_period("week", NOW, VIENNA)
    assert end.timestamp() - start.timestamp() == 7 * 86_400 + 3600


def test_a_rolling_period_ends_at_the_last_full_hour():
    start, end = find_period("24h", NOW, VIENNA)
    assert end == datetime(2026, 10, 28, 8, tzinfo=VIENNA)
    assert start == datetime(2026, 10, 27, 8, tzinfo=VIENNA)


@pytest.mark.parametrize(
    ("now", "hours_of_day"),
    [
        (datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), 25),
        (datetime(2026, 10, 26, 12, tzinfo=UTC), 24),
    ],
)
def test_hours_are_as_long_as_ever_and_days_those_of_the_wall_clock(now, hours_of_day):
    span = find_period("24h", now, VIENNA)
    before = find_previous("24h", span)
    assert measure(span) == measure(before) == timedelta(hours=24)
    week = find_period("7d", now, VIENNA)
    assert week[0].hour == week[1].hour
    assert measure(week) == timedelta(days=6, hours=hours_of_day if hours_of_day != 24 else 25)
    assert find_previous("7d", week)[0].hour == week[0].hour


def measure(span):
    start, end = (moment.astimezone(UTC) for moment in span)
    return end - start


def test_a_period_of_another_name_is_refused():
    with pytest.raises(ValueError, match="decade"):
        find_period("decade", NOW, VIENNA)


def test_before_a_month_comes_the_month_before_however_long():
    october = find_period("month", datetime(2026, 4, 3, tzinfo=UTC), VIENNA)
    start, end = find_previous("month", october)
    assert (start, end) == (
        datetime(2026, 2, 1, tzinfo=VIENNA),
        datetime(2026, 3, 1, tzinfo=VIENNA),
    )


@given(moments, zones, st.sampled_from(["day", "week", "month", "24h", "7d", "30d", "90d"]))
def test_periods_follow_one_another_without_a_gap_and_lie_in_the_past(now, zone, period):
    start, end = find_period(period, now, zone)
    before_start, before_end = find_previous(period, (start, end))
    assert before_start < before_end == start < end
    assert end.timestamp() <= now.timestamp()


@given(
    moments, zones, st.sampled_from(["daily", "weekly", "monthly"]),
    st.integers(0, 23), st.integers(0, 6), st.integers(1, 28),
)  # fmt: skip
def test_the_next_time_is_the_first_that_fits(now, zone, cadence, hour, weekday, month_day):
    rule = {"hour": hour, "weekday": weekday, "month_day": month_day}
    found = find_next(cadence, now, zone, **rule)
    assert found > now
    assert found - now <= timedelta(days={"daily": 2, "weekly": 8, "monthly": 32}[cadence])
    assert found.hour == hour
    assert cadence != "weekly" or found.weekday() == weekday
    assert cadence != "monthly" or found.day == month_day
    assert find_next(cadence, found - timedelta(seconds=1), zone, **rule) == found


def test_the_days_of_a_month_are_those_of_its_zone():
    start, end = datetime(2026, 1, 1, tzinfo=VIENNA), datetime(2026, 2, 1, tzinfo=VIENNA)
    days = name_days(start.astimezone(UTC), end.astimezone(UTC), VIENNA)
    assert days == (date(2026, 1, 1), date(2026, 1, 31))


@given(moments, zones, st.sampled_from(["day", "week", "month"]))
def test_the_days_of_a_calendar_period_are_as_many_as_it_has(now, zone, period):
    start, end = find_period(period, now, zone)
    first, last = name_days(start.astimezone(UTC), end.astimezone(UTC), zone)
    assert (first, last + timedelta(days=1)) == (start.date(), end.date())


def test_an_empty_period_has_the_day_of_its_begin():
    assert name_days(NOW, NOW, VIENNA) == (date(2026, 10, 28), date(2026, 10, 28))


def test_what_is_never_sent_has_no_next_time():
    assert find_next("never", NOW, VIENNA, hour=6, weekday=0, month_day=1) is None
