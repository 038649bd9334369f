"""Hours laid out by weeks: always what the hourly rollups say, whatever came late."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.algorithms.series import bucket_series
from apps.metrics.algorithms.strips import BRIEF, pack_strip, unpack_strips
from apps.metrics.algorithms.tiers import HOUR_SECONDS, WEEK_SECONDS, floor_moment
from apps.metrics.models import DirtyBucket, HourStrip, Rollup
from apps.metrics.selectors import read_range, read_values
from apps.metrics.selectors.columns import find_places, read_rollups
from apps.metrics.services import dirty, roll_up, rollups, strips
from apps.metrics.writers import LAID
from tests.factories.frames import (
    KEY,
    MIDNIGHT,
    OTHER_KEY,
    make_partitions,
    make_source,
    store_frames,
)

WEEK = floor_moment(MIDNIGHT, WEEK_SECONDS)
LATER = MIDNIGHT + timedelta(days=30)
SPAN = (MIDNIGHT - timedelta(days=7), MIDNIGHT + timedelta(days=14))

figures = st.floats(-1e300, 1e300)
hours = st.dictionaries(
    st.integers(0, 167), st.tuples(st.integers(1, 10**6), *[figures] * 5), max_size=168
)


@pytest.fixture
def source(db):
    make_partitions()
    return make_source()


def settle(now=LATER):
    for pause in (0, 2, 4):
        roll_up(now=now + timedelta(hours=pause), budget_seconds=60)


def store_hours(source, hours, keys=(KEY,), first_seq=0):
    rows = [
        (MIDNIGHT + timedelta(hours=hour, minutes=minute), [hour + minute] * len(keys))
        for hour in hours
        for minute in (1, 20)
    ]
    store_frames(source, rows, keys, first_seq=first_seq)


def read_hours(source, key=KEY, *, is_brief=False, span=SPAN):
    places = find_places([source.id], key)
    columns = read_rollups(places, [source.id], key, HOUR_SECONDS, span, is_brief=is_brief)
    return columns[source.id].as_table()


def read_exact(source, key=KEY, span=SPAN):
    """The same, computed from the frames."""
    found = bucket_series(*read_values(source.id, key, *span), HOUR_SECONDS)
    names = ("start", "count", "minimum", "mean", "maximum", "p50", "p95")
    return np.column_stack([getattr(found, name) for name in names])


def assert_exact(source, key=KEY):
    np.testing.assert_array_equal(read_hours(source, key), read_exact(source, key))


@given(st.lists(hours, max_size=3))
def test_what_is_packed_comes_out_as_it_was(weeks):
    packed = [pack_strip(week.items()) for week in weeks]
    begins = [float(number * WEEK_SECONDS) for number in range(len(weeks))]
    expected = [
        [begin + hour * HOUR_SECONDS, *week[hour]]
        for begin, week in zip(begins, weeks, strict=True)
        for hour in sorted(week)
    ]
    assert unpack_strips(begins, packed).tolist() == expected
    brief = unpack_strips(begins, [strip[: BRIEF.itemsize] for strip in packed])
    assert brief[:, :5].tolist() == [row[:5] for row in expected]
    assert np.isnan(brief[:, 5:]).all()


def test_a_strip_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r"length|size"):
        unpack_strips([0.0], [b"1234"])
    with pytest.raises(ValueError, match="equally many"):
        unpack_strips([], [pack_strip([])])
    with pytest.raises(IndexError):
        pack_strip([(168, (1, 1, 1, 1, 1, 1))])


def test_a_week_that_has_ended_is_read_from_its_strips_alone(source):
    store_hours(source, range(0, 72, 5), (OTHER_KEY, KEY))
    settle()
    laid = HourStrip.objects.filter(at=WEEK).values_list("key", flat=True)
    assert sorted(laid) == sorted([LAID, KEY, OTHER_KEY])
    assert_exact(source)
    before = read_hours(source).tolist()
    Rollup.objects.filter(step=HOUR_SECONDS).delete()
    assert read_hours(source).tolist() == before


def test_a_week_that_has_not_ended_is_read_from_its_rollups(source):
    store_hours(source, range(30))
    settle(MIDNIGHT + timedelta(hours=30))
    assert not HourStrip.objects.exists()
    assert DirtyBucket.objects.filter(step=WEEK_SECONDS, at=WEEK).exists()
    assert_exact(source)


def test_a_late_value_is_seen_at_once_and_laid_out_in_its_turn(source):
    store_hours(source, range(30))
    settle()
    store_hours(source, [3], first_seq=900)
    roll_up(now=LATER + timedelta(days=1), budget_seconds=60)
    roll_up(now=LATER + timedelta(days=1, minutes=3), budget_seconds=60)
    assert not HourStrip.objects.filter(at=WEEK).exists()
    assert_exact(source)
    settle(LATER + timedelta(days=2))
    assert HourStrip.objects.filter(at=WEEK, key=LAID).exists()
    assert_exact(source)


def test_an_hour_that_changes_while_its_week_is_laid_out_is_not_missed(source, monkeypatch):
    store_hours(source, range(30))
    compute = rollups.compute_strips

    def compute_and_be_overtaken(claims):
        found = compute(claims)
        monkeypatch.setattr(rollups, "compute_strips", compute)
        store_hours(source, [3], first_seq=900)
        settle(LATER + timedelta(hours=6))
        return found

    monkeypatch.setattr(rollups, "compute_strips", compute_and_be_overtaken)
    settle()
    assert_exact(source)
    settle(LATER + timedelta(days=1))
    assert HourStrip.objects.filter(at=WEEK, key=LAID).exists()
    assert_exact(source)


def test_who_was_overtaken_lays_out_nothing(source):
    store_hours(source, range(30))
    roll_up(now=LATER, budget_seconds=60)
    roll_up(now=LATER + timedelta(minutes=3), budget_seconds=60)
    now = LATER + timedelta(hours=1)
    claims = dirty.claim_buckets(WEEK_SECONDS, now, now)
    stale = strips.compute_strips(claims)
    strips.outdate_weeks([(source.id, MIDNIGHT)], now)
    strips.store_strips(claims, stale, now)
    assert not HourStrip.objects.exists()
    assert DirtyBucket.objects.filter(step=WEEK_SECONDS).exists()


def test_ranges_are_cut_inside_a_week(source):
    store_hours(source, range(60))
    settle()
    span = (MIDNIGHT + timedelta(hours=5), MIDNIGHT + timedelta(hours=40))
    found = read_hours(source, span=span)
    assert found.tolist() == read_exact(source, span=span).tolist()
    assert len(found) == 35


def test_without_percentiles_all_else_is_the_same(source):
    store_hours(source, range(60))
    settle()
    brief, whole = read_hours(source, is_brief=True), read_hours(source)
    np.testing.assert_array_equal(brief[:, :5], whole[:, :5])


def test_a_chart_reads_the_same_before_and_after(source):
    store_hours(source, range(0, 200, 3))
    roll_up(now=LATER, budget_seconds=60)
    roll_up(now=LATER + timedelta(minutes=11), budget_seconds=60)
    question = {"source_id": source.id, "key": KEY, "start": MIDNIGHT, "points": 100}
    HourStrip.objects.all().delete()
    before = read_range(**question, end=MIDNIGHT + timedelta(days=9))
    settle()
    assert HourStrip.objects.exists()
    assert read_range(**question, end=MIDNIGHT + timedelta(days=9)) == before
