"""Whether results are unusual as a whole: how rarely that is said, what is found, and why."""

from datetime import timedelta

import numpy as np
import pytest

from apps.ml.algorithms.containers import Artifact, pack, unpack
from apps.ml.algorithms.features import build_features, list_floors, name_features
from apps.ml.algorithms.joint import OtherFeaturesError, explain_row, read_joint, score_rows
from apps.ml.algorithms.joint_fitting import find_conformal_quantile, fit_joint, set_aside
from apps.ml.algorithms.planting import plant_faults
from apps.ml.algorithms.stages import Stage, find_stage
from apps.ml.learners.base import Rows
from apps.ml.learners.joint_anomaly import JointAnomalyLearner
from apps.ml.selectors.joint import build_joint
from apps.ml.selectors.joint_sentences import describe_joint
from tests.factories.observing import METRICS, draw_observations

NAMES = name_features(METRICS)
LEARNER = JointAnomalyLearner()


def make_rows(count, **options):
    observations = draw_observations(count, **options)
    values = build_features(observations, METRICS)
    return Rows(NAMES, values, observations.at, np.zeros(count, dtype=np.int64))


def fit(rows, seed=1):
    trained = LEARNER.fit(rows, seed, lambda _share, _note="": None)
    header = {"features": list(rows.features), "calibration": dict(trained.calibration)}
    return unpack(pack(trained.arrays, header))


def part(rows, begin, end):
    places = np.arange(len(rows))
    return rows.take((places >= begin) & (places < end))


@pytest.fixture(scope="module")
def rows():
    return make_rows(1700)


@pytest.fixture(scope="module")
def artifact(rows):
    return fit(part(rows, 0, 1000))


@pytest.fixture(scope="module")
def model(artifact):
    return build_joint(artifact)


def make_odd(rows):
    """The last row with 5 % of loss and a round trip four times as long."""
    observations = draw_observations(1700)
    observations.values[-1, 0] *= 4
    observations.values[-1, 1] = 0.05
    return build_features(observations, METRICS)[-1]


def test_of_a_thousand_results_about_one_percent_of_usual_ones_is_called_unusual():
    calls = []
    for seed in range(4):
        rows = make_rows(2000, seed=seed)
        model = build_joint(fit(part(rows, 0, 1000), seed))
        calls.append((score_rows(model, rows.values[1000:], NAMES) > 1).mean())
    assert np.mean(calls) < 0.03


def test_faults_are_found_that_no_figure_by_itself_shows(rows, artifact):
    evaluation = LEARNER.evaluate(artifact, part(rows, 1000, 1700))
    assert evaluation.losses.mean() < evaluation.baseline_losses.mean()
    figures = evaluation.figures
    assert figures["planted_found"] > figures["baseline_planted_found"] + 0.1
    assert evaluation.false_positive_rate < 0.03


def test_a_long_lossy_round_trip_is_unusual_and_says_why(rows, model):
    odd = make_odd(rows)
    score = score_rows(model, odd[np.newaxis], NAMES)[0]
    assert score > 1.5
    parts = explain_row(model, odd, rows.at[-1])
    assert {one.subject for one in parts[:2]} & {"net.packet.loss.ratio", "net.rtt.median"}
    loss = next(one for one in parts if one.subject == "net.packet.loss.ratio")
    assert (loss.value, loss.points > 1) == (0.05, True)
    assert 0 <= loss.low <= loss.high <= 0.01


def test_contributions_are_told_in_words():
    figures = [
        ("net.packet.loss.ratio", 31, 0.031, 0, 0.002),
        ("net.jitter.rfc3550", 17, 0.028, 0.002, 0.006),
        ("net.rtt.median", 3, None, 0.01, 0.02),
        ("context:hour_sin", 2, 0.5, 0, 1),
        ("context:host_cpu", 2, 0.97, None, None),
    ]
    names = ("subject", "points", "value", "low", "high")
    evidence = {"contributions": [dict(zip(names, one, strict=True)) for one in figures]}
    assert describe_joint(evidence) == (
        "packet loss 3.1 % (usual 0 to 0.2 %) +31 points; "
        "jitter 28 ms (usual 2 to 6 ms) +17 points; "
        "round trip not measured +3 points; time of day +2 points; "
        "processor of the client 97 % +2 points"
    )
    assert describe_joint({}) == ""


def test_a_thousand_rows_score_as_each_by_itself(rows, model):
    values = rows.values[-40:]
    together = score_rows(model, values, NAMES)
    alone = [score_rows(model, row[np.newaxis], NAMES)[0] for row in values]
    np.testing.assert_allclose(together, alone)


def test_the_same_seed_gives_the_same_file(rows):
    few = part(rows, 0, 120)
    first, second, other = fit(few, 7), fit(few, 7), fit(few, 8)
    header = {"features": list(NAMES), "calibration": {}}
    assert pack(first.arrays, header) == pack(second.arrays, header)
    assert pack(first.arrays, header) != pack(other.arrays, header)


def test_what_never_changed_is_news_when_it_does():
    observations = draw_observations(600)
    observations.values[:, 1] = 0.0
    usual = build_features(observations, METRICS)
    rows = Rows(NAMES, usual, observations.at, np.zeros(600, dtype=np.int64))
    model = build_joint(fit(part(rows, 0, 500)))
    observations.values[-1, 1] = 0.3
    lossy = build_features(observations, METRICS)
    scores = score_rows(model, np.vstack([usual[-1], lossy[-1]]), NAMES)
    assert scores[0] <= 1 < scores[1]


def test_features_that_were_never_measured_are_left_out():
    observations = draw_observations(300)
    observations.values[:, 2] = np.nan
    observations.host[:] = np.nan
    values = build_features(observations, METRICS)
    rows = Rows(NAMES, values, observations.at, np.zeros(300, dtype=np.int64))
    model = build_joint(fit(rows))
    used = {NAMES[place] for place in model.used}
    assert not used & {"net.jitter.rfc3550:value", "context:host_cpu"}
    assert np.isfinite(score_rows(model, values, NAMES)).all()


def test_nothing_measured_at_all_is_refused_in_words():
    values = np.full((60, len(NAMES)), np.nan)
    with pytest.raises(ValueError, match="nothing was measured"):
        fit_joint(values, np.arange(60.0), features=NAMES, floors=list_floors(METRICS), seed=0)


def test_rows_that_are_all_the_same_make_nothing_unusual():
    values = np.ones((200, len(NAMES)))
    rows = Rows(NAMES, values, np.arange(200) * 60.0, np.zeros(200, dtype=np.int64))
    model = build_joint(fit(rows))
    assert score_rows(model, values[:1], NAMES)[0] <= 1


def test_figures_of_1e12_are_judged_as_well_as_small_ones():
    large = make_rows(1200, scale=1e14)
    model = build_joint(fit(part(large, 0, 1000)))
    scores = score_rows(model, large.values[1000:], NAMES)
    assert np.isfinite(scores).all()
    assert (scores > 1).mean() < 0.06


def test_other_features_are_refused(rows, model, artifact):
    with pytest.raises(OtherFeaturesError, match="other features"):
        score_rows(model, rows.values[:1], NAMES[::-1])
    other = Rows(NAMES[::-1], rows.values[:9], rows.at[:9], rows.groups[:9])
    with pytest.raises(ValueError, match="other features"):
        LEARNER.evaluate(artifact, other)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("used", np.array([999], dtype=np.int64)),
        ("used", np.zeros(0, dtype=np.int64)),
        ("scale", np.zeros(3)),
        ("centre", np.zeros(2)),
        ("usual", np.zeros((24, 2, 3))),
        ("components", np.zeros((1, 2))),
    ],
)
def test_a_file_that_does_not_hang_together_is_no_model(artifact, name, array):
    bad = Artifact({**artifact.arrays, name: array}, artifact.header)
    with pytest.raises(ValueError, match=r"features|scales|used"):
        build_joint(bad)


def test_units_that_are_no_positive_numbers_are_refused(artifact):
    calibration = {**artifact.calibration, "threshold": 0.0}
    with pytest.raises(ValueError, match="positive"):
        read_joint(artifact.arrays, calibration, artifact.features)


def test_a_threshold_promises_its_rate_on_rows_of_the_same_kind():
    rng = np.random.default_rng(0)
    missed = [
        (rng.normal(size=2000) > find_conformal_quantile(rng.normal(size=200), 0.05)).mean()
        for _number in range(60)
    ]
    assert np.mean(missed) == pytest.approx(0.05, abs=0.01)
    assert find_conformal_quantile(np.arange(10.0), 0.01) == 9.0
    with pytest.raises(ValueError, match="too few"):
        find_conformal_quantile(np.empty(0), 0.01)


@pytest.mark.parametrize("count", [4, 50, 1000])
def test_whole_blocks_are_set_aside(count):
    aside = set_aside(count)
    assert 0.2 <= aside.mean() <= 0.3
    assert np.count_nonzero(np.diff(aside.astype(int)) == 1) <= 5


def test_planted_faults_change_each_row_and_no_circumstance(rows):
    scaled = np.nan_to_num(rows.values[:90])
    twins = plant_faults(scaled, NAMES)
    assert (twins != scaled).any(axis=1).all()
    beside = [place for place, name in enumerate(NAMES) if name.startswith("context:")]
    np.testing.assert_array_equal(twins[:, beside], scaled[:, beside])
    np.testing.assert_array_equal(twins, plant_faults(scaled, NAMES))
    with pytest.raises(ValueError, match="no metric"):
        plant_faults(scaled[:, beside], [NAMES[place] for place in beside])


@pytest.mark.parametrize(
    ("count", "days", "stage", "needed"),
    [
        (49, 30, Stage.LEARNING, 50),
        (50, 0, Stage.PROVISIONAL, 200),
        (199, 30, Stage.PROVISIONAL, 200),
        (200, 1, Stage.EARLY, 500),
        (500, 6, Stage.EARLY, 500),
        (499, 30, Stage.EARLY, 500),
        (500, 7, Stage.FULL, 500),
    ],
)
def test_stages_follow_what_there_is_to_learn_from(count, days, stage, needed):
    standing = find_stage(count, timedelta(days=days))
    assert (standing.stage, standing.count, standing.needed) == (stage, count, needed)
