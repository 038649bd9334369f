"""The score is what its definition says, and says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.health import (
    Band,
    HealthProfile,
    Input,
    Measured,
    Pillar,
    combine_scores,
    find_band,
    score_health,
)

PROFILE = HealthProfile()
PERFECT = Measured(
    result_count=1000, success_count=1000, newest_age_seconds=10, interval_seconds=60
)
FULL = replace(
    PERFECT, latency_p95_seconds=0.02, jitter_seconds=0.002, loss_ratio=0.0, throughput_share=1.0
)
PINGED = replace(FULL, throughput_share=None)


def score(measured):
    return score_health(measured, PROFILE).score


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        pytest.param(FULL, 100, id="20 ms"),
        pytest.param(
            replace(PINGED, latency_p95_seconds=0.12, jitter_seconds=0.01), 90, id="120 ms"
        ),
        pytest.param(replace(FULL, latency_p95_seconds=0.15), 91, id="clean path of 150 ms"),
        pytest.param(
            replace(PINGED, loss_ratio=0.01, jitter_seconds=0.008), 90, id="a hundredth lost"
        ),
        pytest.param(
            replace(PINGED, loss_ratio=0.02, jitter_seconds=0.008), 76, id="a fiftieth lost"
        ),
        pytest.param(
            replace(PINGED, loss_ratio=0.05, jitter_seconds=0.03), 41, id="5 % lost, 30 ms jitter"
        ),
        pytest.param(
            replace(PINGED, latency_p95_seconds=0.32, jitter_seconds=0.04), 52, id="bufferbloat"
        ),
        pytest.param(
            replace(FULL, success_count=990, burn_rate=2, incident_count=1), 82, id="99 % available"
        ),
        pytest.param(
            replace(FULL, success_count=950, burn_rate=5, incident_count=2), 48, id="95 % available"
        ),
    ],
)
def test_examples_score_as_published(measured, expected):
    assert score(measured) == expected


def test_what_is_down_is_at_the_bottom():
    down = replace(PERFECT, success_count=0, loss_ratio=1.0, burn_rate=200, incident_count=1)
    assert score(down) == 0
    assert score_health(down, PROFILE).band is Band.CRITICAL


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (replace(FULL, result_count=4, success_count=4), "few_results"),
        (replace(FULL, result_count=0, success_count=0), "few_results"),
        (replace(FULL, newest_age_seconds=180.1), "old_results"),
    ],
)
def test_without_enough_news_nothing_is_said(measured, reason):
    health = score_health(measured, PROFILE)
    assert (health.score, health.band, health.reason) == (None, Band.UNKNOWN, reason)
    assert health.deductions == ()


ratios = st.floats(0, 1)
delays = st.floats(0, 2)
maybe = st.none()
anything = st.builds(
    Measured,
    result_count=st.just(1000),
    success_count=st.integers(0, 1000),
    newest_age_seconds=st.just(0.0),
    interval_seconds=st.just(60.0),
    latency_p95_seconds=maybe | delays,
    jitter_seconds=maybe | delays,
    loss_ratio=maybe | ratios,
    throughput_share=maybe | st.floats(0, 3),
    burn_rate=st.floats(0, 300),
    incident_count=st.integers(0, 30),
)


@given(anything)
def test_the_score_lies_between_nought_and_a_hundred(measured):
    assert 0 <= score(measured) <= 100


@given(anything)
def test_no_failing_pillar_can_hide(measured):
    health = score_health(measured, PROFILE)
    assert health.score <= round(min(health.pillars.values()) + 15)


@given(anything)
def test_the_reasons_add_up_to_what_is_missing(measured):
    health = score_health(measured, PROFILE)
    lost = sum(deduction.points for deduction in health.deductions)
    assert abs(100 - lost - health.score) <= 0.5 + 1e-9
    assert all(deduction.points > 0 for deduction in health.deductions)
    points = [deduction.points for deduction in health.deductions]
    assert points == sorted(points, reverse=True)


@given(anything, st.sampled_from(["latency_p95_seconds", "jitter_seconds", "loss_ratio"]))
def test_what_is_not_measured_counts_at_most_as_perfect(measured, field):
    assert score(replace(measured, **{field: None})) <= score(replace(measured, **{field: 0.0}))


@given(anything, ratios, ratios)
def test_more_loss_never_scores_better(measured, one, other):
    low, high = sorted((one, other))
    assert score(replace(measured, loss_ratio=high)) <= score(replace(measured, loss_ratio=low))


@given(anything, delays, delays)
def test_more_delay_never_scores_better(measured, one, other):
    low, high = sorted((one, other))
    slow = replace(measured, latency_p95_seconds=high, jitter_seconds=high)
    fast = replace(measured, latency_p95_seconds=low, jitter_seconds=low)
    assert score(slow) <= score(fast)


@given(anything, st.integers(0, 1000))
def test_more_failures_never_score_better(measured, successes):
    low, high = sorted((successes, measured.success_count))
    assert score(replace(measured, success_count=low)) <= score(
        replace(measured, success_count=high)
    )


def test_it_says_what_cost_the_points():
    health = score_health(replace(PINGED, loss_ratio=0.03), PROFILE)
    assert [(one.pillar, one.input) for one in health.deductions] == [
        (Pillar.PERFORMANCE, Input.LOSS)
    ]
    assert health.deductions[0].value == 0.03
    assert health.is_partial


def test_without_any_figure_of_performance_the_other_pillars_stand_for_the_whole():
    health = score_health(replace(PERFECT, burn_rate=5), PROFILE)
    assert set(health.pillars) == {Pillar.AVAILABILITY, Pillar.RELIABILITY}
    assert health.score == 65
    assert health.is_partial


def test_a_score_of_all_inputs_is_not_partial():
    assert not score_health(FULL, PROFILE).is_partial


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (100, "healthy"),
        (80, "healthy"),
        (79, "warning"),
        (60, "warning"),
        (59, "critical"),
        (0, "critical"),
        (None, "unknown"),
    ],
)
def test_the_bands_begin_at_80_and_60(value, band):
    assert find_band(value) == band


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"availability_goal_ratio": 0.9}, "goal"),
        ({"availability_goal_ratio": 1.1}, "goal"),
        ({"latency_good_seconds": 0.5}, "latency"),
        ({"jitter_good_seconds": 0}, "jitter"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(limits, named):
    with pytest.raises(ValueError, match=named):
        HealthProfile(**limits)


def test_one_down_among_four_cannot_hide():
    assert combine_scores([100, 100, 100, 0]).score == 38


def test_one_down_among_a_hundred_is_seen_and_is_not_everything():
    assert 90 < combine_scores([100] * 99 + [0]).score < 100


@given(st.lists(st.none() | st.floats(0, 100), max_size=40))
def test_the_score_of_many_lies_between_the_worst_and_their_mean(scores):
    combined = combine_scores(scores)
    known = [one for one in scores if one is not None]
    assert combined.unknown_count == len(scores) - len(known)
    if not known:
        assert combined.score is None
        return
    assert min(known) - 0.5 <= combined.score <= sum(known) / len(known) + 0.5 + 1e-9
    assert abs(100 - sum(combined.points) - combined.score) <= 0.5 + 1e-9
    assert len(combined.points) == len(known)
