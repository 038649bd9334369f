"""A small real learner: an isolation forest on rows that the test made."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from apps.core.clock import read_now
from apps.ml import learners
from apps.ml.algorithms.flattening import flatten_isolation
from apps.ml.algorithms.gate import Evaluation
from apps.ml.learners.base import Rows, Scope, Trained
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.champions import SHELF
from streamswarm_detect.trees import predict, read_forest

KIND = "odd_rows"
FEATURES = ("rtt", "loss", "jitter")
EVERYTHING = Scope()


def draw_rows(count, *, until=None, odd=0.1, seed=0, shift=0.0, every_seconds=60.0):
    """Rows up to a moment, one a minute; that share of them is far from the others."""
    rng = np.random.default_rng(seed)
    values = rng.normal(loc=shift, size=(count, len(FEATURES)))
    is_odd = np.arange(count) % max(int(1 / odd), 1) == 1 if odd else np.zeros(count, bool)
    far = rng.uniform(8, 30, size=values.shape) * rng.choice([-1, 1], size=values.shape)
    values[is_odd] += far[is_odd]
    end = (until or read_now()).timestamp()
    at = end - every_seconds * np.arange(count, 0, -1)
    groups = np.arange(count) % 3
    return Rows(FEATURES, values, at, groups, is_odd.astype(float), incidents=int(is_odd.sum()))


def read_model(artifact):
    return read_forest(
        artifact.arrays, rule="isolation", feature_count=len(artifact.header["features"])
    )


@dataclass
class SmallLearner:
    """Learns `rows`; `noise` makes its models worse, `before_fit` may do anything."""

    rows: Rows = field(default_factory=lambda: draw_rows(300))
    kind: str = KIND
    title: str = "Odd rows"
    needed: int = 200
    provisional: int = 50
    purge_seconds: float = 120.0
    finding_kinds: tuple = ("joint_anomaly",)
    baseline: str = "nothing is ever odd"
    scopes: tuple = (EVERYTHING,)
    noise: float = 0.0
    before_fit: object = None
    # None: that of the training.
    seed: int | None = 0

    def list_scopes(self):
        return self.scopes

    def count_rows(self, scopes, until):
        return dict.fromkeys(scopes, len(self.rows))

    def collect(self, scope, until):
        return self.rows.take(self.rows.at < until.timestamp())

    def fit(self, rows, seed, report):
        from sklearn.ensemble import IsolationForest

        if self.before_fit:
            self.before_fit(report)
        report(0.5, "half of the trees")
        chosen = seed if self.seed is None else self.seed
        model = IsolationForest(n_estimators=25, random_state=chosen).fit(rows.values)
        arrays = flatten_isolation(model)
        scores = -model.score_samples(rows.values)
        usual, odd = scores[rows.targets == 0], scores[rows.targets == 1]
        threshold = (np.quantile(usual, 0.99) + np.median(odd if odd.size else usual)) / 2
        calibration = {"threshold": float(threshold), "noise": self.noise}
        return Trained(arrays, calibration, {"note": "made by a test"})

    def evaluate(self, artifact, rows):
        scores = predict(read_model(artifact), rows.values)[:, 0]
        called = scores > artifact.calibration["threshold"]
        flipped = np.random.default_rng(1).random(len(rows)) < artifact.calibration["noise"]
        called = called ^ flipped
        usual = rows.targets == 0
        return Evaluation(
            losses=np.abs(called - rows.targets),
            baseline_losses=rows.targets.astype(float),
            outputs=scores,
            false_positive_rate=float(called[usual].mean()) if usual.any() else None,
            figures={"recall": float(called[~usual].mean()) if (~usual).any() else 0.0},
        )


@contextmanager
def known_learner(learner):
    """While the block runs, the server learns what that learner teaches."""
    known = dict(learners.LEARNERS)
    learners.LEARNERS.clear()
    learners.LEARNERS[learner.kind] = learner
    SHELF.clear()
    try:
        yield learner
    finally:
        learners.LEARNERS.clear()
        learners.LEARNERS.update(known)
        SHELF.clear()


def make_version(**values):
    """A row of a model as if it had been trained; its file does not exist."""
    now = read_now()
    defaults = {
        "kind": KIND,
        "scope": f"client:{values['client'].id}" if values.get("client") else "all",
        "version": ModelVersion.objects.count() + 1,
        "state": "candidate",
        "data_from": now - timedelta(days=2),
        "data_until": now - timedelta(days=1),
        "held_from": now - timedelta(days=1),
        "held_until": now,
        "row_count": 240,
        "held_count": 60,
        "agent_count": 3,
        "incident_count": 24,
        "features": list(FEATURES),
        "schema_hash": "0" * 16,
        "code_version": "0.1.0",
        "library_version": "1.9.1",
        "seed": 1,
        "metrics": {
            "loss": {"value": 0.01, "low": 0.0, "high": 0.03},
            "baseline": {"value": 0.1, "low": 0.08, "high": 0.12},
            "margin": {"value": 0.09, "low": 0.07, "high": 0.11},
            "champion": None,
            "false_positive_rate": 0.01,
            "row_seconds": 0.0001,
            "figures": {"recall": 0.98},
        },
        "digest": "0" * 64,
        "size_bytes": 1000,
        "trained_at": now,
        "duration_seconds": 1.5,
        "decision": "There is no champion.",
    }
    return ModelVersion.objects.create(**{**defaults, **values})


def make_training(**values):
    """A row of a training that is over, unless said otherwise."""
    now = read_now()
    defaults = {
        "kind": KIND,
        "scope": f"client:{values['client'].id}" if values.get("client") else "all",
        "state": "done",
        "trigger": "manual",
        "row_count": 300,
        "attempts": 1,
        "decision": "There is no champion.",
        "created_at": now - timedelta(minutes=2),
        "started_at": now - timedelta(minutes=1),
        "finished_at": now,
    }
    return Training.objects.create(**{**defaults, **values})
