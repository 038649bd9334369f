"""A day ahead: what is foretold, how sure, and what is refused with a reason."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from apps.ml.algorithms.forecast import (
    Foretold,
    Refusal,
    Refused,
    build_grid,
    compute_forecast,
    count_needed,
    forecast_series,
)
from apps.ml.algorithms.forecast.intervals import find_reach
from apps.ml.algorithms.forecast.members import (
    find_medians,
    follow_trend,
    repeat_season,
    smooth,
)
from apps.ml.algorithms.forecast.series import choose_origins, combine

HOURS = np.arange(24 * 28)
GENERATOR = np.random.default_rng(6)
# A day's rhythm, a slow climb and noise, as a link's traffic has it.
RHYTHM = 10 + 4 * np.sin(2 * np.pi * HOURS / 24) + HOURS * 0.01 + GENERATOR.normal(0, 1, len(HOURS))


def test_a_noisy_rhythm_is_foretold_better_than_by_the_day_before():
    found = forecast_series(RHYTHM[:-24])
    assert isinstance(found, Foretold)
    error = np.abs(found.middle - RHYTHM[-24:]).mean()
    naive_error = np.abs(RHYTHM[-48:-24] - RHYTHM[-24:]).mean()
    assert error < naive_error
    assert 0.1 < found.backtest.margin < 1
    assert found.backtest.origins == 30


def test_intervals_hold_about_the_share_they_name():
    held = {0.8: [], 0.95: []}
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(0, 1, len(HOURS))
        series = 10 + 4 * np.sin(2 * np.pi * HOURS / 24) + noise
        found = compute_forecast(series[:-24])
        for level, (low, high) in found.bands.items():
            held[level].append(((series[-24:] >= low) & (series[-24:] <= high)).mean())
    assert 0.72 < np.mean(held[0.8]) < 0.92
    assert np.mean(held[0.95]) > 0.88


def test_the_wider_interval_holds_the_narrower_one_and_both_hold_the_middle():
    found = compute_forecast(RHYTHM)
    (low, high), (lowest, highest) = found.bands[0.8], found.bands[0.95]
    assert (lowest <= low).all()
    assert (low <= found.middle).all()
    assert (found.middle <= high).all()
    assert (high <= highest).all()


def test_intervals_do_not_shrink_with_the_distance():
    low, high = compute_forecast(RHYTHM).bands[0.8]
    assert (np.diff(high - low) >= -1e-9).all()


def test_nothing_leaves_the_bounds():
    share = np.clip(0.97 + 0.05 * np.sin(2 * np.pi * HOURS / 24) + RHYTHM * 0.001, 0, 1)
    found = compute_forecast(share, bounds=(0.0, 1.0))
    for edge in (found.middle, *found.bands[0.8], *found.bands[0.95]):
        assert ((edge >= 0) & (edge <= 1)).all()


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e12])
def test_the_unit_does_not_matter(factor):
    expected, found = compute_forecast(RHYTHM), compute_forecast(RHYTHM * factor)
    assert found.middle == pytest.approx(expected.middle * factor, rel=1e-9)
    assert found.backtest.margin == pytest.approx(expected.backtest.margin, abs=1e-9)


def test_small_changes_far_from_zero_keep_their_digits():
    expected, found = compute_forecast(RHYTHM), compute_forecast(RHYTHM + 1e9)
    assert found.middle - 1e9 == pytest.approx(expected.middle, abs=1e-5)


@pytest.mark.parametrize(
    ("series", "reason", "count", "needed"),
    [
        (np.empty(0), Refusal.EMPTY, 0, 96),
        (np.full(500, np.nan), Refusal.EMPTY, 0, 96),
        (RHYTHM[:47], Refusal.TOO_SHORT, 47, 96),
        (RHYTHM[:95], Refusal.TOO_SHORT, 95, 96),
        (np.full(500, 7.0), Refusal.CONSTANT, 500, 96),
        (np.where(HOURS % 3 == 0, RHYTHM, np.nan), Refusal.GAPPY, 224, 268),
    ],
)
def test_what_cannot_be_foretold_is_refused_with_figures(series, reason, count, needed):
    assert compute_forecast(series) == Refused(reason, count, needed)


def test_from_four_days_on_something_is_said():
    assert count_needed(24) == 96
    assert isinstance(compute_forecast(RHYTHM[:96]), Foretold)


def test_what_repeats_the_day_before_exactly_is_no_better_than_that():
    found = forecast_series(np.tile(np.arange(24.0), 20))
    assert isinstance(found, Refused)
    assert found.reason == Refusal.NOT_BETTER
    assert found.margin <= 0


def test_history_before_a_pause_of_more_than_a_day_is_not_looked_at():
    broken = RHYTHM.copy()
    broken[:200] += 1000
    broken[200:225] = np.nan
    assert compute_forecast(broken).middle == pytest.approx(compute_forecast(RHYTHM[225:]).middle)
    broken[200:600] = np.nan
    assert compute_forecast(broken) == Refused(Refusal.TOO_SHORT, 72, 96)


def test_a_few_missing_hours_change_little():
    holed = RHYTHM.copy()
    holed[[100, 101, 250, 420, 421, 422]] = np.nan
    assert compute_forecast(holed).middle == pytest.approx(compute_forecast(RHYTHM).middle, abs=1.5)


def test_a_counter_that_begins_again_breaks_nothing():
    counter = (HOURS * 1e10) % 3e11
    found = compute_forecast(counter.astype(float))
    assert isinstance(found, Refused) or np.isfinite(found.middle).all()


def test_readings_are_sorted_into_hours_by_their_mean():
    at = np.array([7300.0, 10.0, 3599.0, 20.0, 14_400.0, 90.0])
    values = np.array([5.0, 1.0, 2.0, 3.0, 9.0, np.nan])
    grid = build_grid(at, values, step_seconds=3600, end=14_400)
    assert grid == pytest.approx([2.0, np.nan, 5.0], nan_ok=True)


def test_earlier_forecasts_knew_nothing_of_what_came_after_them():
    series = RHYTHM.copy()
    series[300:310] = np.nan
    origins = choose_origins(series, 24, 24)
    assert not np.isnan(series[origins - 1]).any()
    assert (origins <= len(series) - 24).all()


def test_smoothing_finds_the_level_of_a_steady_series():
    level, smoothing = smooth(np.array([[np.nan, 5.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]]))
    assert level == pytest.approx([5.0, 4.0], abs=0.05)
    assert smoothing[1] == pytest.approx(0.99)


def test_a_straight_line_goes_on_at_half_its_slope_and_more():
    """Theta halves the trend; the level itself has caught up with the line."""
    line = np.arange(24.0 * 28)[None, :]
    found = follow_trend(line, 24, 24)[0]
    assert np.diff(found) == pytest.approx(np.full(23, 0.5), abs=0.05)


def test_medians_pass_over_what_is_missing():
    cube = np.array([[[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [10.0, np.nan]]])
    assert find_medians(cube) == pytest.approx(np.array([[3.0, np.nan]]), nan_ok=True)


@given(arrays(np.float64, (3, 9, 4), elements=st.floats(-1e6, 1e6) | st.just(float("nan"))))
def test_medians_are_those_of_numpy(cube):
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match="All-NaN")
        if np.isnan(cube).all(axis=1).any()
        else np.errstate(),
    ):
        expected = np.nanmedian(cube, axis=1)
    assert find_medians(cube) == pytest.approx(expected, nan_ok=True)


def test_the_ensemble_lies_among_its_members():
    windows = RHYTHM[None, :]
    season = repeat_season(windows, 24, 24)
    found = combine(windows, 24, 24)
    assert found.shape == season.shape
    assert np.abs(found - RHYTHM.mean()).max() < np.abs(RHYTHM - RHYTHM.mean()).max()


def test_few_origins_widen_with_the_root_of_the_distance():
    errors = np.abs(np.random.default_rng(1).normal(0, 1, (10, 16))) * np.sqrt(np.arange(1, 17))
    reach = find_reach(errors, 0.8)
    assert reach / reach[0] == pytest.approx(np.sqrt(np.arange(1, 17)))


def test_many_origins_judge_each_part_of_the_horizon_by_itself():
    errors = np.tile(np.arange(1.0, 25.0), (30, 1))
    reach = find_reach(errors, 0.8)
    assert reach[0] == 1
    assert reach[1:3] == pytest.approx([3, 3])
    assert reach[15:] == pytest.approx(np.full(9, reach[15]))


SERIES = arrays(
    np.float64,
    st.integers(0, 200),
    elements=st.floats(-1e12, 1e12) | st.sampled_from([float("nan"), float("inf"), 0.0, 1e12]),
)


@settings(max_examples=150, deadline=None)
@given(SERIES)
def test_whatever_was_measured_there_is_a_finite_answer_or_a_reason(series):
    found = compute_forecast(series)
    if isinstance(found, Refused):
        assert found.reason in Refusal
        return
    for edge in (found.middle, *found.bands[0.8], *found.bands[0.95]):
        assert edge.shape == (24,)
        assert np.isfinite(edge).all()
