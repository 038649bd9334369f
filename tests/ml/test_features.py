"""Features of results: named, causal, absent where nothing was measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.ml.algorithms.containers import hash_features
from apps.ml.algorithms.features import (
    WINDOW,
    Measured,
    Observations,
    build_features,
    find_keys,
    find_subject,
    list_floors,
    name_features,
)
from apps.ml.selectors.observations import list_measured
from apps.tests.kinds import KINDS
from tests.factories.observing import METRICS, draw_observations

NAMES = name_features(METRICS)


def column(table, name):
    return table[:, NAMES.index(name)]


def cut(observations, chosen):
    return Observations(*(getattr(observations, name)[chosen] for name in Observations.__slots__))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_at_least_25_features_with_floors_and_a_schema_of_its_own(kind):
    metrics = list_measured(kind)
    names = name_features(metrics)
    assert len(names) >= (25 if len(metrics) > 1 else 19)
    assert len(set(names)) == len(names)
    assert (list_floors(metrics) > 0).all()
    assert find_keys(names) == tuple(metric.key for metric in metrics)
    assert hash_features(names) != hash_features(names[1:])


def test_a_result_is_compared_with_those_before_it_only():
    observations = draw_observations(200)
    whole = build_features(observations, METRICS)
    until = build_features(cut(observations, slice(0, 150)), METRICS)
    np.testing.assert_array_equal(whole[:150], until)


def test_what_is_older_than_the_window_changes_nothing():
    observations = draw_observations(200)
    whole = build_features(observations, METRICS)
    late = build_features(cut(observations, slice(100 - WINDOW - 1, None)), METRICS)
    np.testing.assert_allclose(late[WINDOW + 1 :], whole[100:], equal_nan=True)


def test_a_tripled_round_trip_stands_out_in_its_features():
    observations = draw_observations(100)
    observations.values[-1, 0] *= 3
    last = build_features(observations, METRICS)[-1:]
    assert column(last, "net.rtt.median:ratio")[0] == pytest.approx(np.log(3), abs=0.3)
    assert column(last, "net.rtt.median:rank")[0] == 1.0
    assert column(last, "net.rtt.median:deviation")[0] > 5
    assert column(last, "net.rtt.median:change")[0] > 0.03


def test_what_was_not_measured_is_absent_and_never_zero():
    observations = draw_observations(60)
    observations.values[-1, 2] = np.nan
    observations.values[:, 1] = np.nan
    table = build_features(observations, METRICS)
    assert np.isnan(column(table, "net.jitter.rfc3550:value")[-1])
    assert np.isnan(column(table, "net.jitter.rfc3550:rank")[-1])
    loss = [place for place, name in enumerate(NAMES) if find_subject(name).endswith("loss.ratio")]
    assert np.isnan(table[:, loss]).all()
    assert np.isfinite(column(table, "net.rtt.max:value")).all()


def test_the_first_results_have_nothing_to_be_compared_with():
    table = build_features(draw_observations(3), METRICS)
    assert np.isnan(column(table, "net.rtt.median:ratio")).all()
    assert np.isnan(column(table, "context:gap")).all()
    assert np.isfinite(column(table, "context:hour_sin")).all()


def test_another_number_of_values_is_refused():
    with pytest.raises(ValueError, match="must have 1 values"):
        build_features(draw_observations(3), [Measured("net.rtt.median", 1e-4)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e12, 1e12), st.just(float("nan"))), min_size=0, max_size=80))
def test_any_values_up_to_1e12_give_finite_or_absent_features(values):
    count = len(values)
    zeros = np.zeros(count)
    observations = Observations(
        np.arange(count) * 60.0,
        np.array(values).reshape(count, 1),
        zeros,
        np.full((count, 3), np.nan),
        zeros,
        zeros,
    )
    table = build_features(observations, [Measured("net.rtt.median", 1e-4)])
    assert table.shape == (count, 19)
    assert not np.isinf(table).any()
