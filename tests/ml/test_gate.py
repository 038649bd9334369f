"""Which of two models is the better one, beyond chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.gate import (
    Bounds,
    Contender,
    Evaluation,
    bootstrap_mean,
    decide,
    is_beaten,
    measure_margin,
)

BOUNDS = Bounds(row_seconds=0.01, size_bytes=1000)
ROWS = 500


def evaluate(loss, *, baseline=1.0, seed=0, rate=None):
    noise = np.random.default_rng(seed).normal(scale=0.2, size=ROWS)
    return Evaluation(loss + noise, np.full(ROWS, baseline), np.zeros(ROWS), rate)


def contend(evaluation, *, row_seconds=0.001, size_bytes=10, is_provisional=False):
    return Contender(evaluation, row_seconds, size_bytes, is_provisional)


@pytest.mark.parametrize(
    ("mine", "champion", "verdict", "reason"),
    [
        (evaluate(0.5), None, "promote", "no champion"),
        (evaluate(1.5), None, "reject", "baseline is better by 0.495 (95 %: 0.475"),
        (evaluate(0.995), None, "shadow", "chance"),
        (evaluate(0.5, seed=1), evaluate(0.8), "promote", "Better than the champion by 0.3"),
        (
            evaluate(0.8, seed=1),
            evaluate(0.5),
            "reject",
            "Worse than the champion by 0.298 (95 %: 0.278",
        ),
        (evaluate(0.5, seed=1), evaluate(0.5), "shadow", "beyond chance"),
        (evaluate(1.2, seed=1), evaluate(1.5), "reject", "baseline"),
        (evaluate(0.5, rate=0.05), evaluate(0.8, rate=0.01), "reject", "5.00%"),
        (evaluate(0.5, seed=1, rate=0.011), evaluate(0.8, rate=0.01), "promote", "Better"),
        (evaluate(0.5, seed=1, rate=0.002), evaluate(0.8, rate=0.0), "promote", "Better"),
        (evaluate(0.5, seed=1, rate=0.5), evaluate(0.8), "promote", "Better"),
    ],
)
def test_the_decision_and_its_reason(mine, champion, verdict, reason):
    decision = decide(contend(mine), champion, BOUNDS)
    assert (decision.verdict, reason in decision.reason) == (verdict, True), decision.reason


def test_a_model_that_costs_too_much_is_rejected_however_good_it_is():
    slow = decide(contend(evaluate(0.1), row_seconds=0.02), None, BOUNDS)
    large = decide(contend(evaluate(0.1), size_bytes=2000), None, BOUNDS)
    assert (slow.verdict, large.verdict) == ("reject", "reject")
    assert "20.00 ms a row" in slow.reason
    assert "2000 bytes" in large.reason


def test_a_provisional_model_need_not_prove_its_advantage():
    decision = decide(contend(evaluate(0.995), is_provisional=True), None, BOUNDS)
    assert decision.verdict == "promote"


def test_equal_models_hardly_ever_replace_each_other():
    verdicts = [
        decide(contend(evaluate(0.5, seed=seed)), evaluate(0.5, seed=seed + 1000), BOUNDS).verdict
        for seed in range(60)
    ]
    assert verdicts.count("promote") <= 6


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        drawn = np.random.default_rng(seed).normal(loc=2.0, size=250)
        interval = bootstrap_mean(drawn, seed=seed)
        hits += interval.low <= 2.0 <= interval.high
    assert 175 <= hits <= 200


def test_neighbours_that_know_of_each_other_make_the_interval_wider():
    steps = np.random.default_rng(0).normal(size=20)
    together = np.repeat(steps, 25)
    apart = np.random.default_rng(1).permutation(together)
    widths = [one.high - one.low for one in map(bootstrap_mean, (together, apart))]
    assert widths[0] > 2 * widths[1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_interval_is_repeatable_and_inside_the_range(values):
    rows = np.array(values)
    interval = bootstrap_mean(rows)
    assert interval == bootstrap_mean(rows)
    slack = 1e-6 * (1 + np.abs(rows).max())
    assert rows.min() - slack <= interval.low <= interval.high <= rows.max() + slack


def test_a_margin_is_what_is_saved():
    margin = measure_margin(np.full(10, 1.0), np.full(10, 3.0))
    assert (margin.value, margin.low, margin.high) == (2.0, 2.0, 2.0)
    assert is_beaten(evaluate(1.5))
    assert not is_beaten(evaluate(0.5))


def test_rows_without_a_finite_loss_are_refused():
    with pytest.raises(ValueError, match="finite"):
        Evaluation(np.array([np.nan]), np.zeros(1), np.zeros(1))
    with pytest.raises(ValueError, match="every row"):
        Evaluation(np.zeros(2), np.zeros(1), np.zeros(2))
    with pytest.raises(ValueError, match="no rows"):
        bootstrap_mean(np.zeros(0))
