"""The detector of single series: what it says, and that nothing that comes breaks it."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.ml.algorithms.series import (
    CHANNELS,
    LEARNING_VALUES,
    THRESHOLD,
    SeriesDetector,
    read_state,
    write_state,
)
from apps.ml.algorithms.series.alignments import STRETCH, STRIDE, Alignments
from apps.ml.algorithms.series.peaks import Peak
from apps.ml.algorithms.series.recent import RecentValues

FIVE_MINUTES = 300.0
A_DAY = 288
STATE_BYTES_AT_MOST = 32 * 1024

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, -0.0, 1e12, 1e12 + 1, 5e-324, 1e308, math.nan]),
    st.integers(-3, 3).map(float),
)
times = st.one_of(st.floats(0, 2e9), st.sampled_from([0.0, 300.0, 300.0, 1e9]))


def judge(values, *, interval=FIVE_MINUTES, detector=None, start=0):
    detector = detector or SeriesDetector(interval)
    points = [(1.7e9 + interval * (start + n), value) for n, value in enumerate(values)]
    return detector.observe_all(points)


def make_days(days, *, seed=1, noise=0.5):
    """Values of every five minutes with a daily wave."""
    phase = np.arange(days * A_DAY) * 2 * math.pi / A_DAY
    return 50 + 20 * np.sin(phase) + noise * np.random.default_rng(seed).normal(size=len(phase))


def list_alarms(verdicts):
    return [n for n, verdict in enumerate(verdicts) if verdict.score >= THRESHOLD]


def says_the_same(some, others):
    """Bit for bit, where NaN is like NaN."""
    assert len(some) == len(others)
    return all(
        struct.pack("<d", one.score) == struct.pack("<d", other.score)
        and (one.channel, one.figures) == (other.channel, other.figures)
        for one, other in zip(some, others, strict=True)
    )


def test_a_value_far_outside_of_all_before_is_an_anomaly_of_the_range():
    values = np.random.default_rng(1).uniform(20, 80, size=1600)
    values[1500] = 120
    verdict = judge(values)[1500]
    assert verdict.channel == "range"
    low, high = values[:1500].min(), values[:1500].max()
    assert verdict.figures["low"] == pytest.approx(low, rel=1e-5)
    assert verdict.figures["high"] == pytest.approx(high, rel=1e-5)
    assert verdict.score == pytest.approx(1 + (120 - high) / (high - low), rel=1e-5)
    # Of every 80th value the time is known.
    assert verdict.figures["span_seconds"] == pytest.approx(1500 * 300, abs=80 * 300)


def test_a_step_within_the_range_is_a_jump():
    values = 50 + np.tile([0.0, 1, 2, 3, 4, 5, 4, 3, 2, 1], 100)
    values[::500] += 5
    values[[300, 700, 802]] = [60, 40, 60]
    values[801] = 41
    verdict = judge(values)[802]
    assert verdict.channel == "jump"
    assert verdict.figures["before"] == 41


def test_a_level_that_stays_within_the_range_is_a_shift():
    rng = np.random.default_rng(3)
    values = rng.normal(size=1200)
    values[[400, 500]] = [30, -30]
    values[1000:] += 12
    spoken = {verdict.channel for verdict in judge(values)[1000:1030] if verdict.score > 1}
    assert "shift" in spoken


def test_a_pattern_that_was_never_seen_is_a_discord():
    values = make_days(20)
    # It stands still where it is: no step, no value out of range.
    values[5000:5100] = values[5000] + 0.1 * np.random.default_rng(2).normal(size=100)
    # Values of every ten seconds: the memory is shorter than a day.
    verdicts = judge(values, interval=10.0)[5000:5100]
    assert "discord" in {verdict.channel for verdict in verdicts if verdict.score > 1}


def test_a_day_unlike_the_day_before_is_seasonal():
    values = make_days(8)
    # Half a day is left out, between two moments of the same value.
    shifted = np.concatenate([values[: 6 * A_DAY], values[6 * A_DAY + A_DAY // 2 :]])
    spoken = {verdict.channel for verdict in judge(shifted)[6 * A_DAY :] if verdict.score > 1}
    assert "season" in spoken


def test_usual_days_give_hardly_any_alarm():
    assert len(list_alarms(judge(make_days(30)))) <= 12


def test_an_event_speaks_once_and_what_is_near_it_stays_at_the_edge():
    values = make_days(6)
    values[1500:1520] = 150
    verdicts = judge(values)
    assert list_alarms(verdicts[1500:1520]) == [0]
    assert all(verdict.score <= 1 for verdict in verdicts[1501:1520])


def test_nothing_is_an_anomaly_while_it_is_learning():
    values = make_days(1)
    values[100] = 1e6
    assert max(verdict.score for verdict in judge(values)[:LEARNING_VALUES]) <= 1


def test_a_constant_series_is_never_unusual_until_it_changes():
    verdicts = judge([7.0] * 600 + [8.0] + [7.0] * 10)
    assert [verdict.score for verdict in verdicts[:600]] == [0.0] * 600
    assert verdicts[600].channel == "range"
    assert list_alarms(verdicts) == [600]


def test_a_perfectly_periodic_series_is_never_unusual():
    wave = 20 * np.sin(np.arange(A_DAY) * 2 * math.pi / A_DAY)
    assert list_alarms(judge(np.tile(wave, 20)))[:1] == []


@pytest.mark.parametrize("factor", [1e-9, 1e12])
def test_the_scale_of_a_series_changes_nothing(factor):
    values = make_days(6)
    values[1500] = 120
    found = judge(values * factor)
    expected = judge(values)
    assert list_alarms(found) == list_alarms(expected)
    assert found[1500].score == pytest.approx(expected[1500].score, rel=1e-4)


def test_small_changes_at_a_huge_level_are_seen():
    values = 1e12 + np.random.default_rng(1).normal(size=1000)
    values[900] += 50
    assert list_alarms(judge(values))[-1] == 900


def test_a_counter_that_begins_again_speaks_once_and_is_judged_on():
    values = np.concatenate([np.arange(1000.0), np.arange(1000.0)])
    verdicts = judge(values)
    assert list_alarms(verdicts[1000:1100])[:1] == [0]
    assert all(math.isfinite(verdict.score) for verdict in verdicts)


def test_missing_values_have_no_score_and_change_nothing():
    values = make_days(4)
    gappy = np.insert(values, [300, 300, 700], [math.nan, math.inf, -math.inf])
    verdicts = judge(gappy)
    missing = [n for n, verdict in enumerate(verdicts) if math.isnan(verdict.score)]
    assert missing == [300, 301, 702]
    kept = [verdict.score for verdict in verdicts if not math.isnan(verdict.score)]
    assert kept == [verdict.score for verdict in judge(values)]


def test_the_interval_is_learnt_from_the_times():
    detector = SeriesDetector()
    at = 0.0
    for n in range(60):
        at += 7200 if n % 9 == 0 else 3600
        detector.observe(at, float(n))
    assert detector.interval_seconds == 3600


def test_times_that_stand_still_or_go_back_break_nothing():
    detector = SeriesDetector()
    verdicts = detector.observe_all([(1e9 - (n % 7), float(n % 5)) for n in range(900)])
    assert all(verdict.score <= 1 for verdict in verdicts)


@given(st.lists(st.tuples(times, numbers), max_size=60), st.integers(0, 2**32), st.integers(1, 900))
@example([(0.0, 1e308), (0.0, -1e308), (0.0, 5e-324)], 1, 500)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_judged_and_the_state_stays_small(points, seed, length):
    detector = SeriesDetector()
    scale = 10.0 ** (seed % 30 - 15)
    ordinary = np.random.default_rng(seed).normal(size=length) * scale
    middle = len(points) // 2
    verdicts = detector.observe_all(
        [
            *points[:middle],
            *((1e9 + n, value) for n, value in enumerate(ordinary)),
            *points[middle:],
        ]
    )
    for verdict in verdicts:
        assert math.isnan(verdict.score) or -100 <= verdict.score <= 100
        assert verdict.channel in ("", *CHANNELS)
        assert all(math.isfinite(figure) for figure in verdict.figures.values())
    assert len(write_state(detector)) <= STATE_BYTES_AT_MOST


@given(st.integers(0, 2**32), st.lists(st.integers(1, 700), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_state_that_was_stored_goes_on_bit_for_bit(seed, lengths):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=sum(lengths))) + 20 * rng.integers(0, 2, sum(lengths))
    unbroken = judge(values)
    detector, found, start = SeriesDetector(FIVE_MINUTES), [], 0
    for length in lengths:
        detector = read_state(write_state(detector))
        found += judge(values[start : start + length], detector=detector, start=start)
        start += length
    assert says_the_same(found, unbroken)


def test_many_values_at_once_are_judged_as_one_after_the_other():
    values = make_days(16, noise=3)
    one_by_one = SeriesDetector(FIVE_MINUTES)
    found = [one_by_one.observe(1.7e9 + 300 * n, value) for n, value in enumerate(values)]
    assert says_the_same(found, judge(values))


@pytest.mark.parametrize("make", [lambda n: -float(n), lambda n: math.exp(-n / 500), float])
def test_the_worst_series_takes_at_most_32_kilobytes(make):
    """Falling figures leave a peak nothing to forget."""
    detector = SeriesDetector(FIVE_MINUTES)
    judge([make(n) + 1e-3 * (n % 7) for n in range(9000)], detector=detector)
    assert len(write_state(detector)) <= STATE_BYTES_AT_MOST


def test_a_state_that_is_damaged_or_of_another_version_is_refused():
    stored = write_state(SeriesDetector(FIVE_MINUTES))
    with pytest.raises(ValueError, match="damaged"):
        read_state(stored[:10] + bytes([stored[10] ^ 1]) + stored[11:])
    for other in (b"", b"SD99" + stored[4:], stored[2:]):
        with pytest.raises(ValueError, match="version"):
            read_state(other)


@given(st.lists(st.floats(-9, 9) | st.just(math.nan), max_size=300), st.sampled_from([1, 7, 80]))
def test_a_peak_of_a_short_window_is_the_greatest_of_the_last_values(values, window):
    peak = Peak(window)
    for n, value in enumerate(values):
        peak.push(value)
        held = [one for one in values[max(0, n + 1 - window) : n + 1] if not math.isnan(one)]
        if held:
            assert peak.greatest == max(held)
        else:
            assert math.isnan(peak.greatest)


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_a_peak_of_a_long_window_reaches_back_one_part_more_at_the_most(seed):
    values = np.random.default_rng(seed).normal(size=2000)
    peak = Peak(500)
    for n, value in enumerate(values.tolist()):
        peak.push(value)
        assert peak.greatest >= values[max(0, n - 499) : n + 1].max()
        assert peak.greatest <= values[max(0, n - 509) : n + 1].max()


def test_distances_are_those_of_the_definition_also_after_a_huge_value():
    rng = np.random.default_rng(5)
    values = rng.normal(size=700).astype(np.float32)
    values[100] = 1e7
    recent, alignments = RecentValues(500), Alignments(500)
    for n, value in enumerate(values):
        found = alignments.push(float(value), recent)
        recent.append(float(value))
        held = values[max(0, n - 499) : n + 1].astype(float)
        last = held[-STRETCH:]
        ends = range(len(held) - STRETCH, STRETCH - 1, -STRIDE)
        distances = [math.dist(last, held[end - STRETCH : end]) for end in ends]
        if distances:
            assert found == pytest.approx(min(distances), rel=1e-2, abs=0.5)
        else:
            assert math.isnan(found)
    assert found == pytest.approx(min(distances), rel=1e-6)
