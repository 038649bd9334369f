import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes import statistics

seconds = st.floats(min_value=0, max_value=100, allow_nan=False)
series = st.lists(st.one_of(st.none(), seconds), max_size=60)


def test_percentiles_interpolate_as_type_7_of_hyndman_and_fan():
    values = [50, 15, 20, 35, 40]
    assert statistics.percentile(values, 0.4) == pytest.approx(29)
    assert statistics.percentile([1, 2, 3, 4], 0.95) == pytest.approx(3.85)
    assert statistics.percentile([1, 2, 3, 4], 0.5) == 2.5
    assert statistics.percentile([7], 0.99) == 7


def test_the_standard_deviation_divides_by_n_minus_1():
    assert statistics.standard_deviation([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx(2.1380899)


def test_jitter_follows_the_recurrence_of_rfc_3550():
    transits = [0.100, 0.116, 0.100, 0.100]
    first = 0.016 / 16
    second = first + (0.016 - first) / 16
    third = second + (0 - second) / 16
    assert statistics.interarrival_jitter(transits) == pytest.approx(third)
    assert statistics.interarrival_jitter([0.1]) == 0


def test_jitter_of_steadily_alternating_delays_tends_to_their_difference():
    assert statistics.interarrival_jitter([0.0, 1.0] * 200) == pytest.approx(1.0, abs=1e-6)


def test_variation_skips_the_pairs_that_a_loss_touches():
    round_trips = [0.10, 0.13, None, 0.20, 0.18]
    assert statistics.absolute_variations(round_trips) == pytest.approx([0.03, 0.02])


def test_loss_periods_are_those_of_the_example_in_rfc_3357():
    lost = [0, 1, 0, 0, 1, 0, 1, 0, 1, 1]
    pattern = statistics.loss_pattern([None if flag else 0.1 for flag in lost])
    assert pattern == statistics.LossPattern(lost_count=5, longest_burst=2, period_count=4)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: statistics.mean([]),
        lambda: statistics.standard_deviation([1.0]),
        lambda: statistics.percentile([], 0.5),
        lambda: statistics.percentile([1.0], 1.1),
    ],
)
def test_figures_that_are_undefined_are_refused(compute):
    with pytest.raises(ValueError, match=r"undefined|needs"):
        compute()


@given(st.lists(seconds, min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_percentiles_lie_within_the_values_and_rise_with_the_share(values, one, other):
    low, high = sorted((one, other))
    assert (
        min(values)
        <= statistics.percentile(values, low)
        <= statistics.percentile(values, high)
        <= max(values)
    )


@given(st.lists(seconds, min_size=1))
def test_the_mean_lies_within_the_values(values):
    assert min(values) <= statistics.mean(values) <= max(values)


@given(st.lists(seconds, min_size=2), st.floats(0, 1000))
def test_jitter_and_deviation_do_not_change_when_all_delays_grow_alike(values, shift):
    shifted = [value + shift for value in values]
    assert statistics.interarrival_jitter(shifted) == pytest.approx(
        statistics.interarrival_jitter(values), abs=1e-9
    )
    assert statistics.standard_deviation(shifted) == pytest.approx(
        statistics.standard_deviation(values), abs=1e-6
    )


@given(st.lists(seconds))
def test_jitter_never_exceeds_the_largest_step(values):
    steps = [abs(later - earlier) for earlier, later in pairwise(values)]
    jitter = statistics.interarrival_jitter(values)
    assert 0 <= jitter <= max(steps, default=0.0)
    assert math.isfinite(jitter)


@given(series)
def test_losses_add_up(round_trips):
    pattern = statistics.loss_pattern(round_trips)
    assert pattern.lost_count == round_trips.count(None)
    assert pattern.period_count <= pattern.lost_count
    assert pattern.longest_burst <= pattern.lost_count
    assert (pattern.period_count == 0) == (pattern.lost_count == 0)


@given(series)
def test_variations_are_as_many_as_pairs_without_a_loss(round_trips):
    pairs = pairwise(round_trips)
    complete = [pair for pair in pairs if None not in pair]
    assert len(statistics.absolute_variations(round_trips)) == len(complete)
