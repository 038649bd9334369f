"""Cron expressions: what is refused by name, and the minutes at which the rest fire."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from apps.tests.algorithms.cron import (
    EPOCH,
    CronFault,
    check_cron,
    describe_cron,
    find_next_minute,
    find_shortest_gap,
    iterate_minutes,
    read_minute,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney"]
)
EXPRESSIONS = st.builds(
    lambda minute, hour, day, month, weekday: f"{minute} {hour} {day} {month} {weekday}",
    st.sampled_from(["0", "30", "*/15", "*/7", "5,35", "10-20/5", "59"]),
    st.sampled_from(["*", "2", "1-3", "*/6", "0", "3,23"]),
    st.sampled_from(["*", "1", "*/2", "L", "LW", "13", "29-31"]),
    st.sampled_from(["*", "3", "10", "JAN-JUN", "*/5"]),
    st.sampled_from(["*", "1", "MON-FRI", "TUE#2", "5L", "0,6"]),
)


def list_local(expression, zone, *, start, days=3):
    """The wall clock's times at which it fires."""
    first = read_minute(start)
    minutes = iterate_minutes(
        expression, zone, from_minute=first, until_minute=first + days * 24 * 60
    )
    moments = [EPOCH + timedelta(minutes=minute) for minute in minutes]
    return [moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z") for moment in moments]


@pytest.mark.parametrize(
    ("expression", "zone", "field", "code"),
    [
        ("* * * *", "UTC", "cron_expression", "malformed"),
        ("0 * * * * *", "UTC", "cron_expression", "malformed"),
        ("", "UTC", "cron_expression", "malformed"),
        ("60 * * * *", "UTC", "cron_expression", "malformed"),
        ("0 24 * * *", "UTC", "cron_expression", "malformed"),
        ("0 0 0 * *", "UTC", "cron_expression", "malformed"),
        ("0 0 30 13 *", "UTC", "cron_expression", "malformed"),
        ("*/0 * * * *", "UTC", "cron_expression", "malformed"),
        ("@daily", "UTC", "cron_expression", "malformed"),
        ("0,30 * * * " + "1," * 50 + "1", "UTC", "cron_expression", "length"),
        ("0 0 30 2 *", "UTC", "cron_expression", "never_fires"),
        ("0 0 31 2,4,6 *", "Europe/Berlin", "cron_expression", "never_fires"),
        ("0 0 * * *", "Mars/Olympus", "time_zone", "unknown"),
        ("0 0 * * *", "", "time_zone", "unknown"),
        ("0 0 * * *", "../etc/passwd", "time_zone", "unknown"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused_by_field(expression, zone, field, code):
    with pytest.raises(CronFault) as refused:
        check_cron(expression, zone, now=NOW)
    assert (refused.value.field, refused.value.code) == (field, code)
    assert refused.value.detail


def test_the_rarest_honest_wish_is_granted():
    check_cron("0 0 29 2 *", "UTC", now=NOW)
    minute = find_next_minute("0 0 29 2 *", "UTC", from_minute=read_minute(NOW))
    assert EPOCH + timedelta(minutes=minute) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "slip", "field"),
    [
        (301.0, 0.0, "duration_seconds"),
        (200.0, 101.0, "slip_seconds"),
        (10.0, 3601.0, "slip_seconds"),
        (10.0, -1.0, "slip_seconds"),
    ],
)
def test_runs_that_would_overlap_are_refused_with_the_limit(duration, slip, field):
    with pytest.raises(CronFault) as refused:
        check_cron("*/5 * * * *", "UTC", now=NOW, duration_seconds=duration, slip_seconds=slip)
    assert refused.value.field == field
    check_cron("*/5 * * * *", "UTC", now=NOW, duration_seconds=200.0, slip_seconds=100.0)


def test_the_shortest_gap_counts_the_clocks_change():
    # The night of 28 March 2026 has 23 hours from one 01:30 to the next.
    gap = find_shortest_gap(
        "30 1 * * *", "Europe/Berlin", from_minute=read_minute(datetime(2026, 3, 27, tzinfo=UTC))
    )
    assert gap == 23 * 3600


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        # 02:00 to 03:00 does not exist on 29 March: a fixed time moves to the end of the gap.
        ("30 2 * * *", (2026, 3, 28), ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("15,45 2 * * *", (2026, 3, 29), ["29 03:00+0200", "30 02:15+0200", "30 02:45+0200"]),
        # 02:00 to 03:00 exists twice on 25 October: a fixed time fires the first time only.
        ("30 2 * * *", (2026, 10, 24), ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]),
    ],
)
def test_fixed_times_fire_once_a_day_when_the_clocks_change(expression, start, expected):
    start_at = datetime(*start, tzinfo=BERLIN)
    assert list_local(expression, "Europe/Berlin", start=start_at)[:3] == expected


def test_a_star_follows_the_wall_clock_through_its_changes():
    spring = datetime(2026, 3, 29, 1, tzinfo=BERLIN)
    assert list_local("*/30 * * * *", "Europe/Berlin", start=spring)[:3] == [
        "29 01:00+0100", "29 01:30+0100", "29 03:00+0200",
    ]  # fmt: skip
    autumn = datetime(2026, 10, 25, 2, tzinfo=BERLIN)
    assert list_local("*/30 2 * * *", "Europe/Berlin", start=autumn)[:4] == [
        "25 02:00+0200", "25 02:30+0200", "25 02:00+0100", "25 02:30+0100",
    ]  # fmt: skip


@given(
    expression=EXPRESSIONS,
    zone=ZONES,
    begin=st.integers(0, 730 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
)
def test_the_minutes_are_those_of_the_library_that_imitates_debians_cron(expression, zone, begin):
    first = read_minute(begin)
    until = first + 10 * 24 * 60
    ours = list(iterate_minutes(expression, zone, from_minute=first, until_minute=until))
    theirs = []
    # A day earlier, so that what a gap swallowed just before is not missed.
    start = EPOCH + timedelta(minutes=first - 1440, seconds=-1)
    for moment in CronSim(expression, start.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))):
        minute = read_minute(moment.astimezone(UTC))
        if minute >= until:
            break
        if minute >= first:
            theirs.append(minute)
    assert ours == sorted(set(theirs))


@given(expression=EXPRESSIONS, zone=ZONES, cut=st.integers(1, 20 * 1440 - 1))
def test_wherever_one_looks_from_the_minutes_are_the_same(expression, zone, cut):
    first = read_minute(datetime(2026, 3, 20, tzinfo=UTC))
    window = {"from_minute": first, "until_minute": first + 20 * 1440}
    whole = list(iterate_minutes(expression, zone, **window))
    before = iterate_minutes(expression, zone, **{**window, "until_minute": first + cut})
    after = iterate_minutes(expression, zone, **{**window, "from_minute": first + cut})
    assert [*before, *after] == whole
    assert all(one < other for one, other in pairwise(whole))


def test_an_expression_is_told_in_words():
    assert describe_cron("0 22 * * 2") == "At 22:00 on Tuesday"
    assert describe_cron("not cron") == "not cron"
