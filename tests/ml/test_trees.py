"""Flattened trees say what the library says that trained them, and bad ones are refused."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from apps.ml.algorithms.flattening import (
    flatten_boosting,
    flatten_forest,
    flatten_histogram_boosting,
    flatten_isolation,
    round_down,
)
from streamswarm_detect.trees import BadTreesError, explain, predict, read_forest

FEATURES = 4
MANY = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
tables = st.builds(
    lambda seed, rows, decimals, scale: np.round(
        np.random.default_rng(seed).normal(scale=scale, size=(rows, FEATURES)), decimals
    ),
    st.integers(0, 2**32 - 1),
    st.integers(20, 300),
    st.integers(0, 9),
    st.sampled_from([1e-6, 1.0, 1e9]),
)


def draw(rows, *, missing=0.0, seed=0):
    """Random rows as they are measured, with that share of cells missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, FEATURES))
    values[rng.random(values.shape) < missing] = np.nan
    return values


def label(values):
    first = np.nan_to_num(values[:, 0])
    return (first > 0).astype(int) + (np.nan_to_num(values[:, 1]) > 1)


def respond(values):
    return np.nan_to_num(values[:, 0]) * 3 + np.nan_to_num(values[:, 1]) ** 2


def read(arrays, rule):
    return read_forest(arrays, rule=rule, feature_count=FEATURES)


@MANY
@given(tables)
def test_a_forest_of_classes_gives_the_same_probabilities_to_the_last_bit(values):
    model = RandomForestClassifier(n_estimators=7, random_state=0).fit(values, label(values))
    forest = read(flatten_forest(model), "mean")
    asked = np.vstack([values, values * 1.01])
    assert np.array_equal(predict(forest, asked), model.predict_proba(asked))
    assert np.array_equal(predict(forest, asked[:1]), model.predict_proba(asked[:1]))


@MANY
@given(tables)
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_forest_of_figures_gives_the_same_figures_to_the_last_bit(kind, values):
    model = kind(n_estimators=7, random_state=0).fit(values, respond(values))
    forest = read(flatten_forest(model), "mean")
    assert np.array_equal(predict(forest, values)[:, 0], model.predict(values))


@MANY
@given(tables)
def test_gradient_boosting_gives_the_same_figures_to_the_last_bit(values):
    model = GradientBoostingRegressor(n_estimators=9, random_state=0).fit(values, respond(values))
    forest = read(flatten_boosting(model), "sum")
    assert np.array_equal(predict(forest, values)[:, 0], model.predict(values))


@MANY
@given(tables, st.sampled_from([0.0, 0.2]))
def test_histogram_boosting_gives_the_same_figures_with_missing_values_as_well(values, missing):
    values = np.where(np.random.default_rng(1).random(values.shape) < missing, np.nan, values)
    model = HistGradientBoostingRegressor(max_iter=9, min_samples_leaf=3, random_state=0)
    model.fit(values, respond(values))
    forest = read(flatten_histogram_boosting(model), "sum")
    asked = np.vstack([values, np.full((1, FEATURES), np.nan)])
    assert np.array_equal(predict(forest, asked)[:, 0], model.predict(asked))


@MANY
@given(tables)
def test_an_isolation_forest_gives_the_same_score_to_the_last_bit(values):
    model = IsolationForest(n_estimators=9, random_state=0).fit(values)
    forest = read(flatten_isolation(model), "isolation")
    asked = np.vstack([values, values * 3])
    assert np.array_equal(predict(forest, asked)[:, 0], -model.score_samples(asked))


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("kind", [RandomForestClassifier, RandomForestRegressor])
def test_missing_values_go_the_way_that_training_chose_for_them(kind, missing):
    values = draw(400, missing=missing)
    is_classes = kind is RandomForestClassifier
    model = kind(n_estimators=9, random_state=0)
    model.fit(values, label(values) if is_classes else respond(values))
    forest = read(flatten_forest(model), "mean")
    asked = np.vstack([values, draw(400, missing=missing, seed=5)])
    if missing == 0:
        # The library takes none where it learned from none; ours still ends at a leaf.
        assert np.isfinite(predict(forest, draw(50, missing=0.5))).all()
    expected = model.predict_proba(asked) if is_classes else model.predict(asked)[:, np.newaxis]
    assert np.array_equal(predict(forest, asked), expected)


def test_many_rows_at_once_are_judged_as_each_by_itself():
    values = draw(9000, missing=0.01)
    model = RandomForestRegressor(n_estimators=5, random_state=0).fit(values, respond(values))
    forest = read(flatten_forest(model), "mean")
    together = predict(forest, values)
    assert np.array_equal(together[8190:8200], predict(forest, values[8190:8200]))
    assert np.array_equal(together[:, 0], model.predict(values))
    assert predict(forest, values[:0]).shape == (0, 1)


@MANY
@given(tables)
def test_contributions_add_up_to_the_figure(values):
    classes = RandomForestClassifier(n_estimators=7, random_state=0).fit(values, label(values))
    forest = read(flatten_forest(classes), "mean")
    why = explain(forest, values)
    assert why.contributions.shape == (len(values), FEATURES, forest.output_count)
    total = why.base + why.contributions.sum(axis=1)
    assert np.allclose(total, predict(forest, values), rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_contributions_of_sums_and_scores_add_up_as_well(missing):
    values = draw(1200, missing=missing)
    boosted = HistGradientBoostingRegressor(max_iter=20).fit(values, respond(values))
    forest = read(flatten_histogram_boosting(boosted), "sum")
    why = explain(forest, values)
    total = why.base + why.contributions.sum(axis=1)
    assert np.allclose(total, predict(forest, values), rtol=1e-12, atol=1e-12)
    filled = np.nan_to_num(values)
    isolated = read(flatten_isolation(IsolationForest(random_state=0).fit(filled)), "isolation")
    why = explain(isolated, values)
    depth = why.base + why.contributions.sum(axis=1)
    assert np.allclose(2.0**-depth, predict(isolated, values), rtol=1e-12)


def test_the_feature_that_decides_has_the_largest_contribution():
    values = draw(500)
    model = RandomForestRegressor(n_estimators=20, random_state=0).fit(values, values[:, 2] * 10)
    odd = np.array([[0.0, 0.0, 3.0, 0.0]])
    why = explain(read(flatten_forest(model), "mean"), odd)
    assert np.argmax(np.abs(why.contributions[0, :, 0])) == 2
    assert explain(read(flatten_forest(model), "mean"), values[:0]).contributions.shape[0] == 0


@given(st.floats(-(2.0**90), 2.0**90), st.floats(-(2.0**90), 2.0**90, width=32))
def test_a_threshold_in_single_precision_divides_the_same_numbers(threshold, asked):
    rounded = round_down(np.array([threshold]))[0]
    assert (np.float32(asked) <= rounded) == (float(asked) <= threshold)


def test_rows_of_another_width_and_foreign_rules_are_refused():
    forest = read(make_arrays(), "mean")
    with pytest.raises(ValueError, match="4 features"):
        predict(forest, np.zeros((1, 3)))
    with pytest.raises(BadTreesError, match="rule"):
        read(make_arrays(), "vote")


def make_arrays():
    values = draw(60)
    model = RandomForestRegressor(n_estimators=3, random_state=0).fit(values, respond(values))
    return flatten_forest(model)


def change(name, place, value):
    def spoil(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return spoil


def replace(name, build):
    def spoil(arrays):
        arrays[name] = build(arrays[name])

    return spoil


def make_chain(arrays):
    """A single tree in which every second node goes on, 150 levels deep."""
    count = 301
    left = np.arange(count, dtype=np.int32)
    left[:-1:2] += 1
    threshold = np.where(left == np.arange(count), np.inf, 0).astype(np.float32)
    arrays.update(
        trees_feature=np.zeros(count, np.int32),
        trees_threshold=threshold,
        trees_left=left,
        trees_missing_right=np.zeros(count, np.uint8),
        trees_value=np.zeros((count, 1)),
        trees_roots=np.zeros(1, np.int32),
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (change("trees_left", 0, 10_000_000), "outside"),
        (change("trees_left", 0, -5), "before its parent"),
        (change("trees_left", 1, 0), "before its parent"),
        (change("trees_feature", 0, FEATURES), "feature"),
        (change("trees_feature", 0, -1), "feature"),
        (change("trees_threshold", 0, np.nan), "threshold"),
        (change("trees_value", 0, np.inf), "finite"),
        (change("trees_missing_right", 0, 2), "missing"),
        (change("trees_roots", 0, 1), "roots"),
        (change("trees_roots", 1, 2**31 - 1), "roots"),
        (change("trees_unit", 0, 0.0), "unit"),
        (change("trees_base", 0, np.nan), "finite"),
        (replace("trees_left", lambda left: left.astype(np.int64)), "type"),
        (replace("trees_left", lambda left: left[:-1]), "a figure a node"),
        (replace("trees_value", lambda value: value[:, 0]), "value"),
        (replace("trees_value", lambda value: value[:, :0]), "value"),
        (replace("trees_roots", lambda roots: roots[:0]), "trees"),
        (replace("trees_base", lambda _base: np.zeros(2)), "base"),
        (lambda arrays: arrays.pop("trees_value"), "missing"),
        (make_chain, "levels"),
    ],
)
def test_arrays_that_are_no_trees_are_refused_with_a_reason(spoil, reason):
    arrays = make_arrays()
    spoil(arrays)
    with pytest.raises(BadTreesError, match=reason):
        read(arrays, "mean")


def test_two_parents_of_one_node_are_refused():
    arrays = make_arrays()
    left = arrays["trees_left"].copy()
    inner = np.flatnonzero(left != np.arange(left.size))
    left[inner[1]] = left[inner[2]]
    arrays["trees_left"] = left
    with pytest.raises(BadTreesError, match="parent"):
        read(arrays, "mean")


@MANY
@given(st.data())
def test_whatever_is_read_can_be_walked(data):
    arrays = {name: array.copy() for name, array in make_arrays().items()}
    name = data.draw(st.sampled_from(["trees_left", "trees_feature", "trees_roots"]))
    for _change in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, arrays[name].size - 1))
        arrays[name][place] = data.draw(st.integers(-3, arrays["trees_left"].size + 3))
    try:
        forest = read(arrays, "mean")
    except BadTreesError:
        return
    assert np.isfinite(predict(forest, draw(5, missing=0.3))).all()
