"""Reading history: which tier serves a range, what it gives across gaps, layouts and seams."""

from datetime import timedelta

import numpy as np
import pytest

from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.metrics.models import Frame, Rollup
from apps.metrics.selectors import compare_ranges, read_counter_rates, read_range, read_ranges
from apps.metrics.services import roll_up
from tests.factories.frames import (
    COUNTER,
    KEY,
    MIDNIGHT,
    OTHER_KEY,
    make_partitions,
    make_source,
    store_frames,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def partitions(db):
    make_partitions()


@pytest.fixture
def source():
    return make_source()


def store_days(source, days, every_seconds, start=MIDNIGHT, **options):
    count = int(timedelta(days=days).total_seconds()) // every_seconds
    values = np.random.default_rng(11).lognormal(size=count).tolist()
    rows = [(start + timedelta(seconds=every_seconds * n), v) for n, v in enumerate(values)]
    store_frames(source, rows, **options)
    return values


def keep(now=MIDNIGHT + timedelta(days=60)):
    roll_up(now=now, budget_seconds=600)
    roll_up(now=now + timedelta(hours=2), budget_seconds=600)


def read(source, start=MIDNIGHT, days=1.0, key=KEY, **options):
    end = start + timedelta(days=days)
    return read_range(source_id=source.id, key=key, start=start, end=end, **options)


def test_a_range_comes_from_the_coarsest_tier_that_gives_enough_points(source):
    store_days(source, 9, 120)
    keep()
    for days, points, tier, step_seconds in (
        (0.5, 2000, "raw", 0),
        (1, 100, "raw", 900),
        (7, 200, "1h", 3600),
        (9, 12, "1d", 86_400),
    ):
        found = read(source, days=days, points=points)
        assert (found.tier, found.step_seconds) == (tier, step_seconds)
        assert len(found.at) <= points
        assert sum(found.count) == days * 720
    # Below 10,000 frames, they are read themselves where their number fits.
    assert read(source, days=2, points=2000).step_seconds in {0, 300}


def test_buckets_of_several_kept_ones_say_that_they_are_estimated(source):
    values = store_days(source, 9, 60)
    keep()
    found = read(source, days=9, points=110)
    assert (found.tier, found.step_seconds, found.is_estimated) == ("1h", 7200, True)
    parts = np.split(np.array(values), len(values) // 120)
    np.testing.assert_allclose(found.mean, [part.mean() for part in parts])
    assert found.maximum == [part.max() for part in parts]
    exact = np.array([np.percentile(part, 95) for part in parts])
    assert np.median(np.abs(np.array(found.p95) / exact - 1)) < 0.1


def test_what_is_not_kept_yet_comes_from_hours_and_frames(source):
    store_days(source, 3.5, 60)
    keep(MIDNIGHT + timedelta(days=3, hours=4, minutes=17))
    assert Rollup.objects.filter(step=86_400).count() == 3
    found = read(source, days=3.9, points=5)
    assert (found.tier, found.count) == ("1d", [1440, 1440, 1440, 720])
    assert found.is_estimated
    kept = read(source, days=3, points=4)
    assert (kept.tier, kept.count, kept.is_estimated) == ("1d", [1440] * 3, False)


def test_before_anything_is_kept_all_comes_from_frames(source):
    store_days(source, 8, 60)
    found = read(source, days=8, points=200)
    assert (found.tier, found.step_seconds, sum(found.count)) == ("1h", 3600, 8 * 1440)
    assert not found.is_estimated


def test_a_range_whose_frames_are_gone_comes_from_what_is_still_kept(source):
    store_days(source, 2, 60)
    keep()
    Frame.objects.all().delete()
    assert read(source, days=0.1).tier == "5m"
    Rollup.objects.filter(step=300).delete()
    found = read(source, days=0.5)
    assert (found.tier, found.step_seconds, found.count) == ("1h", 3600, [60] * 12)
    Rollup.objects.filter(step=3600).delete()
    assert (read(source, days=2).tier, read(source, days=2).count) == ("1d", [1440] * 2)
    Rollup.objects.all().delete()
    assert read(source, days=2).at == []


def test_gaps_stay_gaps(source):
    store_days(source, 1, 60)
    store_days(source, 1, 60, start=MIDNIGHT + timedelta(days=4), first_seq=9000)
    keep()
    found = read(source, days=9, points=10)
    days = [MIDNIGHT, MIDNIGHT + timedelta(days=4)]
    assert found.at == [day.timestamp() for day in days]
    assert found.count == [1440, 1440]


def test_kept_buckets_go_on_across_a_change_of_layout_without_doubling(source):
    store_days(source, 1, 300)
    store_frames(
        source, [(MIDNIGHT + timedelta(hours=30), (5.0, 9.0))], (OTHER_KEY, KEY), first_seq=5000
    )
    store_frames(source, [(MIDNIGHT + timedelta(hours=30), 7.0)], first_seq=6000)
    keep()
    Frame.objects.all().delete()
    found = read(source, days=2)
    assert sum(found.count) == 290
    assert (found.maximum[-1], found.minimum[-1], found.mean[-1]) == (9.0, 7.0, 8.0)
    assert read(source, days=2, key=OTHER_KEY).mean == [5.0]


def test_many_sources_are_read_in_as_many_queries_as_one(django_assert_num_queries):
    sources = [make_source(f"probe-{number}") for number in range(3)]
    for one in sources:
        store_days(one, 11, 3600)
    keep()
    options = {"key": KEY, "start": MIDNIGHT, "end": MIDNIGHT + timedelta(days=10), "points": 12}
    # How far back they reach, layouts, days; and how many frames each has.
    with django_assert_num_queries(3 + 3):
        found = read_ranges(source_ids=[one.id for one in sources], **options)
    assert [sum(series.count) for series in found.values()] == [10 * 24] * 3
    Frame.objects.all().delete()
    with django_assert_num_queries(3):
        found = read_ranges(source_ids=[one.id for one in sources], **options)
    assert {series.tier for series in found.values()} == {"1d"}


def test_a_comparison_lies_over_the_present_and_says_what_changed(source):
    week = timedelta(days=7)
    store_frames(source, [(MIDNIGHT + timedelta(minutes=n), 10.0) for n in range(10)])
    later = [(MIDNIGHT + week + timedelta(minutes=n), 15.0) for n in range(10)]
    store_frames(source, later, first_seq=100)
    start = MIDNIGHT + week
    end = start + timedelta(hours=1)
    found = compare_ranges(source_id=source.id, key=KEY, start=start, end=end, shift=week)
    assert found.current.at == found.earlier.at == [at.timestamp() for at, _value in later]
    assert (set(found.current.mean), set(found.earlier.mean)) == ({15.0}, {10.0})
    assert found.change == {"mean": 0.5, "p50": 0.5, "p95": 0.5, "maximum": 0.5}


@pytest.mark.parametrize("earlier", [None, 0.0])
def test_a_change_from_nothing_or_from_zero_is_absent(source, earlier):
    start = MIDNIGHT + timedelta(days=1)
    store_frames(source, [(start, 3.0)])
    if earlier is not None:
        store_frames(source, [(MIDNIGHT, earlier)], first_seq=5)
    found = compare_ranges(
        source_id=source.id,
        key=KEY,
        start=start,
        end=start + timedelta(hours=1),
        shift=timedelta(days=1),
    )
    assert set(found.change.values()) == {None}


@pytest.mark.parametrize("shift", [timedelta(0), timedelta(days=-1), timedelta(days=40_000)])
def test_a_wrong_shift_is_refused(source, shift):
    with pytest.raises(Invalid) as caught:
        compare_ranges(
            source_id=source.id,
            key=KEY,
            start=MIDNIGHT,
            end=MIDNIGHT + timedelta(hours=1),
            shift=shift,
        )
    assert [error.field for error in caught.value.errors] == ["compare"]


def test_a_counter_becomes_a_rate_that_no_restart_makes_negative(source):
    counts = [100.0, 160.0, 160.0, 30.0, 90.0]
    rows = [(MIDNIGHT + timedelta(seconds=60 * n), count) for n, count in enumerate(counts)]
    store_frames(source, rows, (COUNTER,))
    found = read_counter_rates(
        source_id=source.id, key=COUNTER, start=MIDNIGHT, end=MIDNIGHT + timedelta(hours=1)
    )
    assert found.mean == [1.0, 0.0, 0.5, 1.0]
    assert found.at == [MIDNIGHT.timestamp() + 60 * n for n in range(1, 5)]


def test_rates_of_a_long_range_come_from_kept_buckets(source):
    rows = [(MIDNIGHT + timedelta(minutes=n), 120.0 * n) for n in range(3 * 1440)]
    store_frames(source, rows, (COUNTER,))
    keep()
    Frame.objects.all().delete()
    found = read_counter_rates(
        source_id=source.id,
        key=COUNTER,
        start=MIDNIGHT,
        end=MIDNIGHT + timedelta(days=3),
        points=50,
    )
    assert (found.tier, found.is_estimated) == ("1h", True)
    np.testing.assert_allclose(found.mean, 2.0)


def test_a_future_range_is_empty(source):
    assert read(source, start=read_now() + timedelta(days=1)).at == []
