"""What is seen beside what was learned from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ml.algorithms.drift import (
    describe_reference,
    find_critical_distance,
    measure_distance,
    measure_drift,
    measure_index,
    name_level,
)

ROWS = 2000


def draw(rows=ROWS, *, seed=0, features=3):
    return np.random.default_rng(seed).normal(size=(rows, features))


def compare(before, now):
    reference = describe_reference(before, before[:, :1])
    return measure_drift(reference, now, now[:, :1])


def test_the_same_source_is_stable():
    drift = compare(draw(), draw(seed=1))
    assert drift.levels == ("stable",) * 3
    assert (drift.is_drifted, drift.is_distance_significant) == (False, False)


def test_a_moved_feature_is_named_and_more_than_thirty_percent_of_them_are_drift():
    now = draw(seed=1)
    now[:, 0] += 1
    drift = compare(draw(), now)
    assert drift.levels == ("drift", "stable", "stable")
    assert drift.is_drifted
    assert drift.is_distance_significant
    wide = draw(seed=1, features=4)
    wide[:, 0] += 1
    assert not compare(draw(features=4), wide).is_drifted


def test_values_that_are_not_measured_any_more_are_drift():
    now = draw(seed=1)
    now[: ROWS // 2, 1] = np.nan
    assert compare(draw(), now).levels[1] == "drift"


def test_a_constant_feature_is_stable_until_it_changes():
    before, same, other = np.zeros((600, 1)), np.zeros((600, 1)), np.ones((600, 1))
    assert compare(before, same).levels == ("stable",)
    assert compare(before, other).levels == ("drift",)


def test_a_feature_that_was_never_measured_drifts_when_it_is():
    before = np.full((600, 1), np.nan)
    reference = describe_reference(before, np.zeros((600, 1)))
    assert measure_drift(reference, before, np.zeros((600, 1))).levels == ("stable",)
    assert measure_drift(reference, np.ones((600, 1)), np.zeros((600, 1))).levels == ("drift",)


@pytest.mark.parametrize(("before", "now"), [(499, ROWS), (ROWS, 499)])
def test_too_few_rows_say_nothing(before, now):
    assert compare(draw(before), draw(now)) is None


def test_the_index_is_that_of_its_definition():
    index = measure_index(np.array([50.0, 50.0, 0.0]), np.array([25.0, 75.0, 0.0]))
    expected = (0.25 - 0.5) * np.log(0.5) + (0.75 - 0.5) * np.log(1.5)
    assert index == pytest.approx(expected)
    assert [name_level(one) for one in (0.05, 0.10, 0.25, 0.26)] == [
        "stable", "watch", "watch", "drift",
    ]  # fmt: skip


@given(st.integers(0, 1000), st.integers(2, 200), st.integers(2, 200), st.integers(0, 2))
def test_the_distance_is_that_of_scipy(seed, first, second, decimals):
    # Two seconds that whoever only looks for tests need not spend.
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(seed)
    one, other = (
        np.round(rng.normal(size=first), decimals),
        np.round(rng.normal(0.3, size=second), decimals),
    )
    assert measure_distance(one, other) == pytest.approx(ks_2samp(one, other).statistic)


def test_the_critical_distance_is_that_of_the_tables():
    # Smirnov's 1 % value for large samples: 1.628 * sqrt((n + m) / (n m)).
    assert find_critical_distance(100, 100) == pytest.approx(1.628 * np.sqrt(0.02), abs=1e-3)
