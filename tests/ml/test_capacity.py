"""Days until something is full, by its growth since it was last emptied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from apps.ml.algorithms.capacity import (
    Outlook,
    Verdict,
    cut_after_step,
    find_growth,
    foresee_limit,
    gather_days,
)
from apps.ml.algorithms.forecast import Refusal, Refused
from benchmarks import capacity as simulation

DAYS = np.arange(45)
NOISE = np.random.default_rng(3).normal(0, 0.001, 45)


def test_a_disk_that_grows_steadily_is_full_when_its_line_says():
    found = foresee_limit(0.3 + 0.01 * DAYS + NOISE, 1.0)
    assert found.verdict == Verdict.GROWING
    assert found.growth == pytest.approx(0.01, rel=0.02)
    assert found.level == pytest.approx(0.74, abs=0.003)
    assert found.days == pytest.approx(26, abs=1)
    assert found.days_low <= found.days <= found.days_high
    assert found.used_days == 45


def test_growth_is_read_after_the_last_time_it_was_emptied():
    daily = 0.3 + 0.01 * DAYS + NOISE
    daily[20:] -= 0.25
    found = foresee_limit(daily, 1.0)
    assert found.used_days == 25
    assert found.growth == pytest.approx(0.01, rel=0.05)
    assert found.days == pytest.approx((1 - 0.49) / 0.01, rel=0.06)


def test_at_least_eight_days_are_kept_after_a_step():
    daily = 0.3 + 0.01 * DAYS + NOISE
    daily[-4:] -= 0.25
    assert len(cut_after_step(daily)) == 45
    daily[:-4] += np.where(DAYS[:-4] >= 30, 0.2, 0)
    assert len(cut_after_step(daily)) == 15


@pytest.mark.parametrize("daily", [0.5 + NOISE * 30, 0.9 - 0.01 * DAYS + NOISE, np.full(45, 0.4)])
def test_what_does_not_grow_is_said_not_to(daily):
    found = foresee_limit(daily, 1.0)
    assert found.verdict == Verdict.NOT_GROWING
    assert (found.days, found.days_low, found.days_high) == (None, None, None)


def test_what_is_above_its_limit_has_reached_it():
    found = foresee_limit(0.9 + NOISE, 0.85)
    assert (found.verdict, found.days) == (Verdict.REACHED, 0.0)


def test_beyond_a_year_no_day_is_named():
    found = foresee_limit(0.1 + 0.0001 * DAYS + NOISE * 0.01, 1.0)
    assert found.verdict == Verdict.BEYOND
    assert found.days == found.days_high == 365


@pytest.mark.parametrize(
    ("daily", "reason", "count"),
    [
        (np.empty(0), Refusal.EMPTY, 0),
        (np.full(30, np.nan), Refusal.EMPTY, 0),
        (DAYS[:7] * 0.01, Refusal.TOO_SHORT, 7),
        (np.where(DAYS % 9 == 0, DAYS * 0.01, np.nan), Refusal.TOO_SHORT, 5),
    ],
)
def test_too_few_days_are_refused_with_their_number(daily, reason, count):
    assert foresee_limit(daily, 1.0) == Refused(reason, count, 8)


def test_missing_days_change_little():
    daily = 0.3 + 0.01 * DAYS + NOISE
    daily[[5, 6, 30]] = np.nan
    assert foresee_limit(daily, 1.0).days == pytest.approx(26, abs=1)


def test_the_same_days_always_give_the_same_range():
    daily = 0.3 + 0.01 * DAYS + NOISE * 5
    assert foresee_limit(daily, 1.0) == foresee_limit(daily, 1.0)


def test_one_wild_day_hardly_moves_the_growth():
    daily = 0.3 + 0.01 * DAYS
    daily[22] = 0.99
    assert find_growth(daily[None, :])[0] == pytest.approx(0.01)


def test_a_day_counts_by_its_share_of_hours():
    at = np.arange(60) * 3600.0
    hourly = np.arange(60.0)
    highest = gather_days(at, hourly, end=2 * 86_400, share=1.0)
    assert highest == pytest.approx([23, 47])
    busy = gather_days(at, hourly, end=2 * 86_400, share=0.5)
    assert busy == pytest.approx([11.5, 35.5])
    assert len(gather_days(at, np.full(60, np.nan), end=1e9, share=1.0)) == 0


def test_a_day_without_hours_is_missing():
    at = np.array([0.0, 2 * 86_400.0])
    days = gather_days(at, np.ones(2), end=1e9, share=1.0)
    assert days == pytest.approx([1, np.nan, 1], nan_ok=True)


def test_simulated_disks_are_foreseen_as_well_as_promised():
    generator = np.random.default_rng(8)
    for was_emptied, limit in ((False, 0.15), (True, 0.3)):
        disks = [simulation.make_disk(generator, was_emptied=was_emptied) for _run in range(60)]
        score = simulation.score_outlooks(disks)
        assert np.quantile(score.errors, 0.9) < limit
        assert score.covered > 0.65


@settings(max_examples=100, deadline=None)
@given(
    arrays(
        np.float64,
        st.integers(0, 80),
        elements=st.floats(-1e12, 1e12) | st.just(float("nan")),
    ),
    st.floats(-1e12, 1e12),
)
def test_whatever_was_measured_there_is_an_outlook_or_a_reason(daily, limit):
    found = foresee_limit(daily, limit)
    if isinstance(found, Outlook) and found.days is not None:
        assert 0 <= found.days_low <= found.days <= found.days_high <= 365
