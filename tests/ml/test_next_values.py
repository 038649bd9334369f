"""The next value of a metric: learned, judged against the last value, served and refused."""

from datetime import timedelta

import numpy as np
import pytest

from apps.core.clock import read_now
from apps.jobs.services import run_due_jobs
from apps.ml.algorithms.containers import Artifact, pack, unpack
from apps.ml.algorithms.next_values import (
    HORIZONS,
    LEVEL_WINDOW,
    Aim,
    build_next_features,
    build_targets,
    list_aims,
    name_next_features,
    read_next,
    say_next,
)
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import NoModel, StillLearning
from apps.ml.learners import LEARNERS
from apps.ml.learners.base import Rows
from apps.ml.learners.prediction import PredictionLearner, list_problems
from apps.ml.selectors.champions import SHELF
from apps.ml.selectors.expectations import Basis, expect_test
from apps.ml.selectors.predictions import predict_next
from apps.ml.services.trainings import start_training
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.observing import METRICS, draw_observations, store_results
from tests.factories.tests import make_assignment

SAID = ("net.rtt.median", "net.packet.loss.ratio", "net.jitter.rfc3550")
NAMES = name_next_features(METRICS, SAID)
AIMS = list_aims(SAID)
LEVEL = NAMES.index("net.rtt.median:level")
LEARNER = PredictionLearner()


def report(_share, _note=""):
    return None


def make_rows(count, **options):
    observations = draw_observations(count, **options)
    values = build_next_features(observations, METRICS, SAID)
    targets = build_targets(observations, METRICS, AIMS)
    rows = Rows(NAMES, values, observations.at, np.zeros(count, dtype=np.int64), targets)
    return rows.take(np.isfinite(targets[:, 0]) & np.isfinite(values[:, LEVEL]))


def part(rows, begin, end):
    places = np.arange(len(rows))
    return rows.take((places >= begin) & (places < end))


@pytest.fixture(scope="module")
def rows():
    return make_rows(1500)


@pytest.fixture(scope="module")
def artifact(rows):
    trained = LEARNER.fit(part(rows, 0, 1000), 1, report)
    header = {"features": list(NAMES), "calibration": dict(trained.calibration)}
    return unpack(pack(trained.arrays, header))


def test_it_beats_the_last_value_on_what_it_has_not_seen_and_its_interval_holds(rows, artifact):
    evaluation = LEARNER.evaluate(artifact, part(rows, 1000, 1500))
    assert evaluation.losses.mean() < evaluation.baseline_losses.mean()
    assert 0.7 <= evaluation.figures["covered_80"] <= 0.9
    assert evaluation.figures["backtest_ratio"] < 1
    assert evaluation.false_positive_rate is None


def test_more_headlines_and_runs_ahead_are_said_each_with_its_own_backtest(rows, artifact):
    model = read_next(artifact.arrays, artifact.calibration, artifact.features)
    said = {output.aim for output in model.outputs}
    assert {Aim("net.rtt.median", horizon) for horizon in HORIZONS} <= said
    assert {aim.key for aim in said} == set(SAID)
    held = part(rows, 1000, 1500)
    for output in model.outputs:
        assert output.ratio < 1
        place = AIMS.index(output.aim)
        guesses = say_next(model, output, held.values, NAMES)
        errors = np.abs(guesses - held.targets[:, place])
        last = held.values[:, NAMES.index(f"{output.aim.key}:value")]
        others = np.abs(last - held.targets[:, place])
        known = np.isfinite(errors)
        assert errors[known].mean() < others[known].mean(), output.aim
        assert 0.6 <= (errors[known] <= output.widths["0.8"]).mean() <= 1.0, output.aim


def test_what_it_does_not_say_counts_as_the_last_value(rows, artifact):
    everything = LEARNER.evaluate(artifact, part(rows, 1000, 1500))
    [first, *_others] = artifact.calibration["outputs"]
    ends = first["end"]
    roots = artifact.arrays["trees_roots"]
    nodes = roots[ends]
    names = ("trees_feature", "trees_threshold", "trees_left", "trees_missing_right", "trees_value")
    arrays = {**artifact.arrays, **{name: artifact.arrays[name][:nodes] for name in names}}
    arrays["trees_roots"] = roots[:ends]
    calibration = {**artifact.calibration, "outputs": [first]}
    alone = Artifact(arrays, {**artifact.header, "calibration": calibration})
    one = LEARNER.evaluate(alone, part(rows, 1000, 1500))
    np.testing.assert_array_equal(one.baseline_losses, everything.baseline_losses)
    assert everything.losses.mean() < one.losses.mean() < one.baseline_losses.mean()


def test_what_came_after_the_rows_is_not_learned_from(rows):
    problems = {problem.aim: problem for problem in list_problems(part(rows, 0, 500))}
    for aim, problem in problems.items():
        assert len(problem.last) <= 500 - aim.horizon + 1


def test_what_cannot_be_predicted_is_refused_by_the_backtest():
    rng = np.random.default_rng(0)
    rows = make_rows(600)
    # A walk: no guess is better than where it is.
    walk = 100 + np.cumsum(rng.normal(size=len(rows) + 1))
    values = np.full((len(rows), len(NAMES)), np.nan)
    values[:, NAMES.index("net.rtt.median:value")] = values[:, LEVEL] = walk[:-1]
    targets = np.full((len(rows), len(AIMS)), np.nan)
    targets[:, 0] = walk[1:]
    walked = Rows(NAMES, values, rows.at, rows.groups, targets)
    with pytest.raises(ValueError, match="times that of the last value"):
        LEARNER.fit(walked, 0, report)


def test_values_that_never_change_are_refused_in_words(rows):
    still = Rows(NAMES, np.ones_like(rows.values), rows.at, rows.groups, np.ones_like(rows.targets))
    with pytest.raises(ValueError, match="never change"):
        LEARNER.fit(still, 0, report)


def test_a_row_knows_nothing_of_what_comes_after_it():
    observations = draw_observations(120)
    before = build_next_features(observations, METRICS, SAID)
    observations.values[100:] *= 50
    after = build_next_features(observations, METRICS, SAID)
    np.testing.assert_array_equal(before[:100], after[:100])
    lag = NAMES.index("net.rtt.median:lag_1")
    assert before[90, lag] + before[90, LEVEL] == pytest.approx(observations.values[90, 0])


def test_targets_are_so_many_results_later():
    observations = draw_observations(30)
    targets = build_targets(observations, METRICS, AIMS)
    for place, aim in enumerate(AIMS):
        column = [metric.key for metric in METRICS].index(aim.key)
        ahead = observations.values[aim.horizon :, column]
        np.testing.assert_array_equal(targets[: ahead.size, place], ahead)
        assert np.isnan(targets[ahead.size :, place]).all()


def test_features_never_measured_and_values_of_1e12_are_learned_from():
    rows = make_rows(700, scale=1e14)
    rows.values[:, NAMES.index("context:host_cpu")] = np.nan
    trained = LEARNER.fit(rows, 1, report)
    model = read_next(trained.arrays, trained.calibration, NAMES)
    for output in model.outputs:
        assert np.isfinite(say_next(model, output, rows.values[-5:], NAMES)).all()
    assert model.ratio < 1


def change_output(artifact, **changes):
    [first, *others] = artifact.calibration["outputs"]
    return {**artifact.calibration, "outputs": [{**first, **changes}, *others]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"widths": {"0.8": -1.0, "0.95": 1.0}}, "width"),
        ({"widths": {"0.8": float("nan"), "0.95": 1.0}}, "width"),
        ({"key": "system.uptime"}, "features do not"),
        ({"horizon": 0}, "features do not"),
        ({"end": 0}, "no trees"),
        ({"base": float("inf")}, "no figures"),
        ({"end": 5}, "share its trees"),
    ],
)
def test_broken_outputs_are_refused(artifact, changes, words):
    with pytest.raises(ValueError, match=words):
        read_next(artifact.arrays, change_output(artifact, **changes), artifact.features)


def test_other_features_and_broken_files_are_refused(rows, artifact):
    model = read_next(artifact.arrays, artifact.calibration, artifact.features)
    assert model.outputs[0].aim == Aim("net.rtt.median", 1)
    with pytest.raises(ValueError, match="other features"):
        say_next(model, model.outputs[0], rows.values[:1], NAMES[::-1])
    with pytest.raises(ValueError, match="share its trees"):
        read_next(artifact.arrays, {**artifact.calibration, "outputs": []}, artifact.features)
    other = [name for name in NAMES if not name.endswith(":level")]
    with pytest.raises(ValueError, match="level"):
        read_next(artifact.arrays, artifact.calibration, other)
    with pytest.raises(ValueError, match="came next"):
        LEARNER.evaluate(artifact, Rows(NAMES, rows.values, rows.at, rows.groups))


def test_both_kinds_are_in_the_table():
    assert {"joint_anomaly", "prediction"} <= set(LEARNERS)
    assert all(learner.kind == name for name, learner in LEARNERS.items())


@pytest.fixture
def assignment(db):
    SHELF.clear()
    return make_assignment(make_client("probe"), "Path", target="192.0.2.1")


def learn(assignment, count):
    until = read_now() - timedelta(minutes=10)
    store_results(assignment, draw_observations(count, daily=3.0, until=until))
    scope = Scope("assignment", str(assignment.id))
    training = start_training(kind="prediction", scope=scope)
    run_due_jobs("ml")
    training.refresh_from_db()
    return training


@pytest.mark.django_db(transaction=True)
def test_the_form_of_a_known_test_is_answered_by_the_model(assignment):
    training = learn(assignment, 1200)
    assert (training.state, training.result.state) == ("done", "champion"), training.decision
    said = predict_next(assignment)
    prediction = said.values[0]
    assert (prediction.key, prediction.horizon) == ("net.rtt.median", 1)
    assert 0.0 <= prediction.low < prediction.value < prediction.high < 0.1
    assert all(one.saved_percent > 0 for one in said.values)
    every = timedelta(minutes=30)
    assert prediction.expected_at - said.last_at == pytest.approx(every, abs=timedelta(seconds=1))
    losses = [one for one in said.values if one.key == "net.packet.loss.ratio"]
    assert all(0.0 <= one.low <= one.value <= one.high <= 1.0 for one in losses)
    ids = [assignment.client_id]
    ann = make_user("ann", "admin")
    found = expect_test(ann, kind="ping", target="192.0.2.1", client_ids=ids)
    assert (found.basis, found.predictions) == (Basis.SAME, said)


@pytest.mark.django_db(transaction=True)
def test_without_a_model_history_alone_answers(assignment):
    with pytest.raises(StillLearning):
        learn(assignment, 200)
    with pytest.raises(NoModel):
        predict_next(assignment)
    ann = make_user("ann", "admin")
    ids = [assignment.client_id]
    found = expect_test(ann, kind="ping", target="192.0.2.1", client_ids=ids)
    assert (found.basis, found.predictions) == (Basis.SAME, None)
    scope = Scope("assignment", str(assignment.id))
    assert LEARNER.count_rows([scope], read_now()) == {scope: 200 - LEVEL_WINDOW}
    assert len(LEARNER.collect(scope, read_now())) >= 200 - LEVEL_WINDOW
