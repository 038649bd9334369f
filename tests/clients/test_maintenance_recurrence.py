"""When maintenance comes: rules on the wall clock of a zone, bounded, and refused by name."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from apps.clients.algorithms.recurrence import (
    Recurrence,
    RecurrenceFault,
    check_recurrence,
    list_occurrences,
    take_occurrences,
)
from apps.clients.algorithms.recurrence_words import (
    build_preset_rule,
    describe_recurrence,
    recognise_preset,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 24, 22, tzinfo=BERLIN)
RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=MO,TH",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=DAILY;COUNT=40",
        "FREQ=YEARLY;BYMONTH=3,10;BYMONTHDAY=25,29",
        "FREQ=DAILY;UNTIL=20270115",
    ]
)


def recur(rule="", *, start=START, seconds=5400, zone="Europe/Berlin", ended_at=None):
    return Recurrence(start, seconds, zone, rule, ended_at)


def list_local(recurrence, *, start=START, days=400, limit=5):
    times = list_occurrences(recurrence, start=start, end=start + timedelta(days=days), limit=limit)
    return [time.start.astimezone(BERLIN).strftime("%m-%d %H:%M%z") for time in times]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"rule": "FREQ=MINUTELY"}, "recurrence", "malformed"),
        ({"rule": "FREQ=SECONDLY"}, "recurrence", "malformed"),
        ({"rule": "every tuesday"}, "recurrence", "malformed"),
        ({"rule": "BYDAY=TU"}, "recurrence", "malformed"),
        ({"rule": "FREQ=WEEKLY;BYDAY=XX"}, "recurrence", "malformed"),
        ({"rule": "FREQ=WEEKLY;BYSECOND=3"}, "recurrence", "malformed"),
        ({"rule": "FREQ=DAILY;FREQ=DAILY"}, "recurrence", "malformed"),
        ({"rule": "FREQ=DAILY;COUNT=2;UNTIL=20270101"}, "recurrence", "malformed"),
        ({"rule": "FREQ=DAILY;UNTIL=2027"}, "recurrence", "malformed"),
        ({"rule": "FREQ=DAILY;UNTIL=99991231"}, "recurrence", "malformed"),
        ({"rule": "DTSTART:20260101T000000\nRRULE:FREQ=DAILY"}, "recurrence", "malformed"),
        ({"rule": "RRULE:FREQ=DAILY"}, "recurrence", "malformed"),
        ({"rule": "FREQ=DAILY;INTERVAL=0"}, "recurrence", "out_of_range"),
        ({"rule": "FREQ=DAILY;COUNT=1001"}, "recurrence", "out_of_range"),
        ({"rule": "FREQ=DAILY;BYHOUR=" + "1," * 250 + "2"}, "recurrence", "length"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence", "never_fires"),
        ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence", "never_fires"),
        ({"rule": "FREQ=DAILY;UNTIL=20250101"}, "recurrence", "never_fires"),
        ({"rule": "FREQ=DAILY;INTERVAL=7;BYDAY=MO"}, "recurrence", "never_fires"),
        ({"rule": "FREQ=DAILY", "seconds": 86_401}, "recurrence", "overlaps"),
        ({"rule": "FREQ=DAILY;BYHOUR=1,2", "seconds": 3601}, "recurrence", "overlaps"),
        ({"seconds": 59}, "duration_seconds", "out_of_range"),
        ({"seconds": 31 * 86_400 + 1}, "duration_seconds", "out_of_range"),
        ({"zone": "Mars/Olympus"}, "time_zone", "unknown"),
        ({"start": datetime(1950, 1, 1, tzinfo=UTC)}, "starts_at", "out_of_range"),
        ({"start": datetime(9000, 1, 1, tzinfo=UTC)}, "starts_at", "out_of_range"),
    ],
)
def test_what_cannot_recur_is_refused_by_field(changes, field, code):
    with pytest.raises(RecurrenceFault) as refused:
        check_recurrence(recur(**changes))
    assert (refused.value.field, refused.value.code) == (field, code)
    assert refused.value.detail


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [("", 60), ("", 31 * 86_400), ("FREQ=DAILY", 86_400), ("FREQ=HOURLY", 3600)],
)
def test_the_limits_themselves_are_allowed(rule, seconds):
    check_recurrence(recur(rule, seconds=seconds))


def test_ten_at_night_stays_ten_at_night_when_the_clocks_change():
    assert list_local(recur("FREQ=WEEKLY;BYDAY=TU"))[:2] == ["03-24 22:00+0100", "03-31 22:00+0200"]
    autumn = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    assert list_local(recur("FREQ=DAILY"), start=autumn)[:2] == [
        "10-24 22:00+0200", "10-25 22:00+0100",
    ]  # fmt: skip


def test_a_time_that_does_not_exist_is_taken_by_the_offset_before_the_gap():
    start = datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN)
    assert list_local(recur("FREQ=DAILY", start=start), start=start)[:3] == [
        "03-28 02:30+0100", "03-29 03:30+0200", "03-30 02:30+0200",
    ]  # fmt: skip


def test_a_time_that_exists_twice_is_the_first():
    start = datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN)
    assert list_local(recur("FREQ=DAILY", start=start), start=start)[:3] == [
        "10-24 02:30+0200", "10-25 02:30+0200", "10-26 02:30+0100",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("until", "count"), [("20260326", 3), ("20260326T220000", 3), ("20260326T200000Z", 2)]
)
def test_a_rule_ends_with_a_day_a_local_time_or_a_moment(until, count):
    assert len(list_local(recur(f"FREQ=DAILY;UNTIL={until}"))) == count


def test_an_occurrence_counts_until_before_its_end():
    [time] = list_occurrences(recur(), start=START, end=START + timedelta(seconds=1))
    end = START + timedelta(seconds=5400)
    assert (time.start, time.end) == (START, end)
    assert list_occurrences(recur(), start=end, end=end + timedelta(days=1)) == []
    before = end - timedelta(microseconds=1)
    assert len(list_occurrences(recur(), start=before, end=end)) == 1
    assert list_occurrences(recur(), start=START - timedelta(days=1), end=START) == []


def test_what_was_going_on_ended_by_hand_and_the_next_is_whole():
    ended_at = START + timedelta(minutes=20)
    daily = recur("FREQ=DAILY", ended_at=ended_at)
    first, second = take_occurrences(daily, start=START, count=2)
    assert first.end == ended_at
    assert second.end - second.start == timedelta(seconds=5400)
    assert take_occurrences(daily, start=ended_at, count=1)[0] == second


def test_no_more_are_listed_than_asked_for():
    hourly = recur("FREQ=HOURLY", seconds=600)
    end = START + timedelta(days=365)
    assert len(list_occurrences(hourly, start=START, end=end)) == 1000
    assert len(list_occurrences(hourly, start=START, end=end, limit=7)) == 7


@given(rule=RULES, offset_hours=st.integers(0, 24 * 700), length_hours=st.integers(1, 24 * 60))
def test_any_stretch_holds_what_counting_from_the_first_start_finds(
    rule, offset_hours, length_hours
):
    start = START.astimezone(UTC) + timedelta(hours=offset_hours)
    end = start + timedelta(hours=length_hours)
    plain = rule.replace("UNTIL=20270115", "UNTIL=20270115T235959")
    expected = set()
    for local in rrulestr(plain, dtstart=START.replace(tzinfo=None)):
        begin = local.replace(tzinfo=BERLIN).astimezone(UTC)
        if begin >= end + timedelta(hours=2):
            break
        if begin < end and begin + timedelta(seconds=5400) > start:
            expected.add(begin)
    found = list_occurrences(recur(rule), start=start, end=end, limit=5000)
    assert [time.start for time in found] == sorted(expected)
    assert all(before.start < after.start for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("", "once, 2026-03-24 22:00\N{EN DASH}23:30 Europe/Berlin"),
        ("FREQ=DAILY", "every day 22:00\N{EN DASH}23:30 Europe/Berlin"),
        ("FREQ=WEEKLY;BYDAY=TU", "every Tuesday 22:00\N{EN DASH}23:30 Europe/Berlin"),
        (
            "FREQ=WEEKLY;BYDAY=MO,TU,SU",
            "every Monday, Tuesday and Sunday 22:00\N{EN DASH}23:30 Europe/Berlin",
        ),
        (
            "FREQ=MONTHLY;BYDAY=-1SU",
            "every last Sunday of the month 22:00\N{EN DASH}23:30 Europe/Berlin",
        ),
        ("FREQ=DAILY;INTERVAL=2", "FREQ=DAILY;INTERVAL=2, 22:00\N{EN DASH}23:30 Europe/Berlin"),
    ],
)
def test_a_recurrence_is_told_in_words(rule, words):
    assert describe_recurrence(recur(rule)) == words


def test_words_say_when_it_ends_days_later():
    words = describe_recurrence(recur(seconds=7200))
    assert words.endswith("22:00\N{EN DASH}00:00 (+1 d) Europe/Berlin")


@given(
    days=st.lists(st.sampled_from(["MO", "WE", "SU"]), min_size=1, unique=True),
    ordinal=st.sampled_from(["1", "2", "3", "4", "-1"]),
)
def test_the_form_finds_its_presets_again(days, ordinal):
    weekly = recognise_preset(build_preset_rule("weekly", weekdays=days))
    assert (weekly.preset, weekly.weekdays) == ("weekly", tuple(days))
    monthly = recognise_preset(build_preset_rule("monthly", ordinal=ordinal, weekday="WE"))
    assert (monthly.preset, monthly.ordinal, monthly.weekdays) == ("monthly", ordinal, ("WE",))
    assert recognise_preset(build_preset_rule("once")).preset == "once"
    assert recognise_preset(build_preset_rule("daily")).preset == "daily"


@pytest.mark.parametrize(
    "rule", ["FREQ=MONTHLY;BYDAY=5MO", "FREQ=MONTHLY;BYDAY=1MO,2TU", "FREQ=WEEKLY;BYDAY=1MO", "X"]
)
def test_any_other_rule_is_somebodys_own(rule):
    assert recognise_preset(rule).preset == "custom"
