"""What a difference is worth: against published values, and whatever is thrown at it."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.holding import hold_values
from apps.reports.algorithms.statistics import (
    compare_counts,
    compare_shares,
    compute_ratio,
    find_trend,
    fold_week,
    measure_effect,
    measure_share,
    measure_weighted_share,
)

DAY = 86_400.0
VIENNA = ZoneInfo("Europe/Vienna")
tries = st.integers(1, 300).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def test_wilsons_interval_is_the_published_one():
    # Newcombe 1998, table I: 81 of 263.
    found = measure_share(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    nothing = measure_share(0, 20)
    assert (nothing.low, round(nothing.high, 4)) == (0.0, 0.1611)
    assert measure_share(0, 0) is None
    with pytest.raises(ValueError, match="from 0"):
        measure_share(2, 1)


@given(tries)
def test_a_share_lies_within_its_interval(case):
    found = measure_share(*case)
    assert 0 <= found.low <= found.share <= found.high <= 1


def test_tries_of_unlike_weight_are_worth_fewer_even_ones():
    found = measure_weighted_share([(9, 10, 300.0), (1, 10, 10.0)])
    assert found.share == pytest.approx((9 * 300 + 10) / (10 * 310))
    assert (found.successes, found.total) == (10, 20)
    found, even = measure_weighted_share([(5, 10, 300.0), (5, 10, 10.0)]), measure_share(10, 20)
    assert found.share == even.share
    assert found.high - found.low > even.high - even.low
    assert measure_weighted_share([]) is None
    with pytest.raises(ValueError, match="positive"):
        measure_weighted_share([(1, 1, 0.0)])


@given(st.lists(st.tuples(tries, st.floats(0.1, 1e5)), min_size=1, max_size=5))
def test_a_weighted_share_lies_within_its_interval(groups):
    found = measure_weighted_share([(*counts, weight) for counts, weight in groups])
    assert 0 <= found.low <= found.share <= found.high <= 1


@given(tries, st.floats(0.1, 1e5))
def test_one_weight_for_all_changes_nothing(case, weight):
    found, plain = measure_weighted_share([(*case, weight)]), measure_share(*case)
    assert (found.successes, found.total) == (plain.successes, plain.total)
    for name in ("share", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), abs=1e-12)


def test_fishers_test_is_that_of_the_lady_tasting_tea():
    assert compare_shares((3, 4), (1, 4)) == pytest.approx(0.4857, abs=1e-4)
    assert compare_shares((4, 4), (0, 4)) == pytest.approx(0.0286, abs=1e-4)
    assert compare_shares((1, 1), (0, 0)) is None


@given(tries, tries)
def test_the_chance_of_a_difference_of_shares_knows_no_order(now, before):
    chance = compare_shares(now, before)
    assert 0 <= chance <= 1
    assert chance == pytest.approx(compare_shares(before, now), abs=1e-9)


def test_the_exact_and_the_quick_test_of_shares_agree_where_they_meet():
    exact = compare_shares((930, 1000), (900, 1000))
    quick = compare_shares((931, 1001), (901, 1001))
    assert quick == pytest.approx(exact, abs=0.006)
    assert compare_shares((1500, 1500), (1500, 1500)) == 1.0


def test_counts_are_compared_by_the_binomial():
    # Of ten events all in one half: 2 * 0.5 ** 10.
    assert compare_counts(10, 0) == pytest.approx(2 * 0.5**10)
    assert compare_counts(5, 5) == pytest.approx(1.0)
    # Twice as many in twice the time is no change.
    assert compare_counts(20, 10, span_ratio=2.0) == pytest.approx(1.0)
    assert compare_counts(0, 0) is None
    assert compare_counts(1_100, 905) < 0.001
    with pytest.raises(ValueError, match="negative"):
        compare_counts(-1, 0)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.1, 10))
def test_the_chance_of_a_difference_of_counts_is_one(now, before, ratio):
    chance = compare_counts(now, before, span_ratio=ratio)
    assert chance is None if now + before == 0 else 0 <= chance <= 1


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(4, 50))
def test_a_straight_line_is_its_own_trend(slope, level, count):
    at = np.arange(count) * DAY
    found = find_trend(at, level + slope * np.arange(count))
    assert found.per_day == pytest.approx(slope, rel=1e-6, abs=1e-6)
    assert found.low <= found.per_day <= found.high


def test_one_wild_day_makes_no_trend_and_noise_no_clear_one():
    values = np.arange(30.0)
    values[10] = 1e6
    found = find_trend(np.arange(30) * DAY, values)
    assert found.per_day == pytest.approx(1.0, abs=0.1)
    assert found.is_clear
    noise = np.random.default_rng(7).normal(size=60)
    assert not find_trend(np.arange(60) * DAY, noise).is_clear
    assert find_trend(np.arange(3) * DAY, np.arange(3.0)) is None
    assert find_trend(np.arange(2_000) * DAY, np.arange(2_000.0)).points == 400


def test_an_effect_is_measured_by_how_far_things_move_anyway():
    generator = np.random.default_rng(1)
    calm, wild = generator.normal(10, 1, 500), generator.normal(10, 50, 500)
    calm_moved, wild_moved = generator.normal(13, 1, 500), generator.normal(20, 50, 500)
    small, large = measure_effect(wild_moved, wild), measure_effect(calm_moved, calm)
    assert large.size == pytest.approx(3, abs=0.3)
    assert abs(small.size) < 0.5
    assert large.dominance > 0.9
    same = measure_effect(np.full(10, 5.0), np.full(10, 5.0))
    assert (same.size, same.dominance) == (0.0, 0.0)
    assert measure_effect(np.zeros(5), np.zeros(100)) is None


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=30),
    st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=30),
)
def test_turning_time_around_turns_the_dominance(now, before):
    forth = measure_effect(np.array(now), np.array(before))
    back = measure_effect(np.array(before), np.array(now))
    assert forth.dominance == pytest.approx(-back.dominance)
    assert math.isfinite(forth.dominance)


def test_hours_fold_into_a_week_of_the_zone_also_when_clocks_change():
    # Saturday 28 March 2026, 23:30 UTC is Sunday 00:30 in Vienna; on that night 02:00 is left out.
    first = datetime(2026, 3, 28, 23, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    at = first + np.arange(4) * 3600.0
    mean, count = fold_week(at, np.array([1.0, 2.0, 3.0, 4.0]), VIENNA)
    assert (mean.shape, count.sum()) == ((7, 24), 4)
    assert mean[6, [0, 1, 3, 4]].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert np.isnan(mean[6, 2])
    empty, none = fold_week(np.empty(0), np.empty(0), VIENNA)
    assert np.isnan(empty).all()
    assert none.sum() == 0


def test_a_ratio_needs_something_to_be_a_ratio_of():
    assert compute_ratio(3.0, 2.0) == 0.5
    assert compute_ratio(-3.0, -2.0) == -0.5
    assert compute_ratio(1.0, 0.0) is compute_ratio(None, 1.0) is compute_ratio(1.0, None) is None


@given(
    st.lists(st.integers(0, 1000), max_size=30).map(sorted),
    st.lists(st.integers(-100, 1500), min_size=1, max_size=30).map(sorted),
)
def test_the_newest_value_holds_while_it_is_not_too_old(at, moments):
    values = np.arange(len(at), dtype=np.float64)
    found = hold_values(np.array(at, dtype=np.float64), values, np.array(moments, float), 100)
    expected = []
    for moment in moments:
        before = [number for number, one in enumerate(at) if one <= moment]
        if before and moment - at[before[-1]] < 100:
            expected.append((moment, before[-1]))
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
