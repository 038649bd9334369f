"""Many series over the same buckets."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.metrics.algorithms.grids import average_groups, build_grid, summarise_columns
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.selectors import read_many
from apps.metrics.services import roll_up
from tests.factories.frames import KEY, MIDNIGHT, make_partitions, make_source, store_frames

HOUR, DAY = 3600, 86_400
points = st.lists(st.tuples(st.integers(0, 5 * DAY), st.floats(-1e6, 1e6)), max_size=60)


def cut(rows, step):
    at = np.array([at for at, _value in rows], dtype=np.float64)
    return bucket_series(at, np.array([value for _at, value in rows], dtype=np.float64), step)


@given(st.lists(points, max_size=4))
def test_a_grid_of_hours_is_what_days_of_the_values_are(series):
    grid = build_grid([cut(rows, HOUR) for rows in series], 0.0, 6, DAY)
    for row, rows in enumerate(series):
        days = cut(rows, DAY)
        place = (days.start / DAY).astype(int)
        assert np.flatnonzero(grid.count[row]).tolist() == place.tolist()
        assert grid.count[row, place].tolist() == days.count.tolist()
        assert grid.minimum[row, place].tolist() == days.minimum.tolist()
        assert grid.maximum[row, place].tolist() == days.maximum.tolist()
        np.testing.assert_allclose(grid.mean[row, place], days.mean, rtol=1e-9, atol=1e-6)
    empty = grid.count == 0
    assert np.isnan(grid.mean[empty]).all()
    assert not np.isnan(grid.mean[~empty]).any()


@given(points.filter(bool))
def test_the_mean_of_a_group_is_that_of_all_its_values(rows):
    parts = cut(rows, HOUR)
    means = average_groups((parts.start // DAY).astype(np.int64), parts, 6)
    days = cut(rows, DAY)
    known = np.flatnonzero(~np.isnan(means))
    assert known.tolist() == (days.start / DAY).astype(int).tolist()
    np.testing.assert_allclose(means[known], days.mean, rtol=1e-9, atol=1e-6)


def test_every_row_counts_once_whatever_it_was_made_of():
    found = summarise_columns(np.array([[1.0, np.nan, 4.0], [3.0, np.nan, np.nan]]))
    assert found.group.tolist() == [0, 2]
    assert (found.count.tolist(), found.p50.tolist()) == ([2, 1], [2.0, 4.0])
    assert (found.minimum.tolist(), found.maximum.tolist()) == ([1.0, 4.0], [3.0, 4.0])


def test_what_lies_outside_is_left_out_and_a_wrong_step_refused():
    parts = cut([(0, 1.0), (DAY, 2.0), (9 * DAY, 3.0)], HOUR)
    assert build_grid([parts], float(DAY), 2, DAY).count.tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="positive"):
        build_grid([parts], 0.0, 2, 0)


@pytest.fixture
def pair(db):
    """Two sources of ten days: 1 in the hours from midnight to noon UTC, and 3; the other twice."""
    make_partitions()
    sources = [make_source("probe-1"), make_source("probe-2")]
    for factor, source in enumerate(sources, start=1):
        rows = [
            (MIDNIGHT + timedelta(hours=hour), factor * (1.0 if hour % 24 < 12 else 3.0))
            for hour in range(240)
        ]
        store_frames(source, rows)
    for pause in (0, 2, 4):
        roll_up(now=MIDNIGHT + timedelta(days=30, hours=pause), budget_seconds=60)
    return [source.id for source in sources]


def read(pair, days):
    return read_many(source_ids=pair, key=KEY, start=MIDNIGHT, end=MIDNIGHT + timedelta(days=days))


def test_many_sources_are_read_by_the_hour(pair):
    many = read(pair, 10)
    assert (many.tier, many.bucket_count) == ("1h", 480)
    grid = many.cut(12)
    assert (grid.step_seconds, grid.mean.shape) == (DAY, (2, 10))
    assert (grid.mean[:, 3].tolist(), grid.maximum[:, 3].tolist()) == ([2.0, 4.0], [3.0, 6.0])


def test_when_in_the_day_is_told_in_the_wanted_zone(pair):
    many = read(pair, 10)
    begins, means = many.average_by_hour(DAY, ZoneInfo("Asia/Tokyo"))
    assert (means.shape, begins[0]) == ((24, 10), MIDNIGHT.timestamp())
    # Noon to midnight UTC is from nine in the evening to nine in the morning there.
    assert means[:, 4].tolist() == [4.5] * 9 + [1.5] * 12 + [4.5] * 3


def test_short_spans_are_read_by_five_minutes_and_very_long_ones_by_days(pair):
    assert (read(pair, 1).tier, read(pair, 1).cut(300).step_seconds) == ("5m", 300)
    assert (read(pair, 500).tier, read(pair, 500).cut(300).step_seconds) == ("1d", 2 * DAY)


def test_an_empty_range_is_refused(pair):
    with pytest.raises(Invalid):
        read(pair, 0)
