"""Merging buckets, rates of counters, how long a disk lasts: properties of pure algorithms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.algorithms.growth import Growth, forecast_days_left
from apps.metrics.algorithms.merging import merge_buckets
from apps.metrics.algorithms.rates import compute_rates
from apps.metrics.algorithms.series import bucket_series, join_buckets, summarise_groups

numbers = st.floats(-1e9, 1e9)
points = st.lists(st.tuples(st.integers(0, 86_399), numbers), min_size=1, max_size=120)
readings = st.lists(
    st.tuples(st.integers(0, 10_000), st.floats(0, 1e15)), min_size=1, max_size=60
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


def columns(rows):
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_values_changes_no_bit_of_a_summary(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (bucket_series(*columns(some), 3600) for some in (rows, shuffled))
    for name in ("start", "count", "minimum", "mean", "maximum", "p50", "p95"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        summarise_groups(np.zeros(2, np.int64), np.zeros(3))


@given(points)
def test_merged_buckets_hold_what_their_parts_held(rows):
    at, values = columns(rows)
    merged = merge_buckets(bucket_series(at, values, 300), 7200)
    direct = bucket_series(at, values, 7200)
    found = merged.buckets
    for name in ("start", "count", "minimum", "maximum"):
        assert getattr(found, name).tolist() == getattr(direct, name).tolist()
    np.testing.assert_allclose(found.mean, direct.mean, rtol=1e-9, atol=1e-3)
    for column in (found.p50, found.p95):
        assert (found.minimum <= column).all()
        assert (column <= found.maximum).all()
    assert (found.p50 <= found.p95 + 1e-6 * np.abs(found.p95)).all()


@given(points)
def test_merging_to_the_same_step_changes_nothing(rows):
    parts = bucket_series(*columns(rows), 300)
    merged = merge_buckets(parts, 300)
    assert not merged.is_estimated.any()
    assert merged.buckets.p95.tolist() == parts.p95.tolist()
    assert merged.buckets.mean.tolist() == parts.mean.tolist()


def test_an_estimate_is_near_the_percentile_of_values_that_spread_evenly():
    at = np.arange(7200, dtype=np.float64)
    values = np.random.default_rng(3).uniform(0, 100, 7200)
    found = merge_buckets(bucket_series(at, values, 300), 7200).buckets
    assert abs(found.p50[0] - np.percentile(values, 50)) < 3
    assert abs(found.p95[0] - np.percentile(values, 95)) < 3


def test_a_step_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive"):
        merge_buckets(bucket_series(np.zeros(1), np.zeros(1), 1), 0)


@given(readings)
def test_no_rate_is_ever_negative_and_all_rates_make_up_the_growth(rows):
    at, counts = columns(rows)
    moments, rates = compute_rates(at, counts)
    assert (rates >= 0).all()
    assert len(moments) == len(set(at.tolist())) - 1
    assert set(moments.tolist()) <= set(at.tolist())


@given(readings)
def test_a_counter_that_only_grows_has_the_rates_of_its_growth(rows):
    at, counts = columns(rows)
    at = np.unique(at)
    counts = np.sort(counts)[: len(at)]
    moments, rates = compute_rates(at, counts)
    grown = float(np.sum(rates * np.diff(at)))
    np.testing.assert_allclose(grown, counts[-1] - counts[0], rtol=1e-6, atol=1e-3)
    assert moments.tolist() == at[1:].tolist()


@pytest.mark.parametrize(
    ("at", "counts"), [([0, 1], [1.0]), ([1, 0], [1.0, 2.0]), ([0, 1], [1.0, -2.0])]
)
def test_readings_that_cannot_be_are_refused(at, counts):
    with pytest.raises(ValueError, match="must"):
        compute_rates(np.array(at, dtype=float), np.array(counts))


def test_no_reading_gives_no_rate():
    moments, rates = compute_rates(np.empty(0), np.empty(0))
    assert (moments.tolist(), rates.tolist()) == ([], [])


@pytest.mark.parametrize(
    ("growths", "free", "days"),
    [
        ([], 10, None),
        ([Growth(1, 5)], 10, None),
        ([Growth(1, 50)], 10, 10),
        ([Growth(1, 5), Growth(1, 100)], 20, 15),
        ([Growth(1, -3)], 0, None),
        ([Growth(4, 2), Growth(1, 3)], 5, 1),
    ],
)
def test_a_disk_lasts_until_what_still_grows_has_filled_it(growths, free, days):
    assert forecast_days_left(growths, free) == days


@given(points, points)
def test_series_merged_together_come_out_as_each_alone(one, other):
    both = [bucket_series(*columns(rows), 300) for rows in (one, other)]
    owner = np.repeat([0, 1], [len(part.start) for part in both])
    together = merge_buckets(join_buckets(both), 3600, owner)
    for number, part in enumerate(both):
        alone = merge_buckets(part, 3600).buckets
        found = together.of_series(number).buckets
        for name in ("start", "count", "minimum", "mean", "maximum", "p50", "p95"):
            assert getattr(found, name).tolist() == getattr(alone, name).tolist()
