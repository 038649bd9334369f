from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import format_moment, from_milliseconds, read_now, to_milliseconds


def at_microsecond(number):
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)


moments = st.integers(0, 2**52).map(at_microsecond)


def test_now_is_aware_and_in_utc():
    assert read_now().utcoffset() == timedelta(0)


@given(st.integers(0, 2**42))
def test_milliseconds_survive_the_way_there_and_back(milliseconds):
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds


@given(moments)
def test_a_moment_is_rounded_down_by_less_than_a_millisecond(moment):
    lost = moment - from_milliseconds(to_milliseconds(moment))
    assert timedelta(0) <= lost < timedelta(milliseconds=1)


@given(moments)
def test_a_moment_is_written_so_that_it_can_be_read_and_sorted(moment):
    text = format_moment(moment)
    assert datetime.fromisoformat(text) == moment
    assert len(text) == len("2026-01-31T12:00:00.000000Z")


def test_a_moment_of_another_zone_is_written_in_utc():
    moment = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    assert format_moment(moment) == "2026-01-31T12:00:00.000000Z"
