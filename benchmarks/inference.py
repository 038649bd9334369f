"""Processor time of asking trained trees about one row and about many, flat arrays beside sklearn.

The models are of the sizes trained here (100 trees, 25 features, learned from 10,000 rows).
Each way of asking is repeated and its best time counts, because the machine is shared; the figures
are processor time of this process, in which every thread counts. Both answer the same rows, and
the answers are compared before anything is timed.

    python -m benchmarks.inference [--rows 10000] [--features 25]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.containers import pack, unpack
from apps.ml.algorithms.flattening import (
    flatten_boosting,
    flatten_forest,
    flatten_histogram_boosting,
    flatten_isolation,
)
from benchmarks.measuring.report import Claim, finish_all, print_table
from streamswarm_detect.trees import Forest, explain, predict, read_forest

Floats = NDArray[np.float64]
BATCH = 1000
SINGLE_GOAL_MS = 0.2
BATCH_GOAL_US = 10.0
TREES = 100


@dataclass(frozen=True, slots=True)
class Contestant:
    """A fitted model, its flat arrays, and how the library is asked the same."""

    name: str
    forest: Forest
    content: bytes
    ask: Callable[[Floats], Floats]


def measure_seconds(work: Callable[[], object], *, repeats: int) -> float:
    """The least processor time of a call."""
    best = float("inf")
    for _number in range(repeats):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def draw(rows: int, features: int) -> tuple[Floats, NDArray[np.int64]]:
    """Rows with features that hang together, and three classes that follow from them."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(features, features)) / np.sqrt(features)
    values = rng.normal(size=(rows, features)) @ mixing
    signal = values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(scale=0.5, size=rows)
    return values, np.digitize(signal, [-0.7, 0.7])


def build(
    name: str, rule: str, arrays: dict[str, NDArray[Any]], ask: Callable[[Floats], Floats],
    features: int,
) -> Contestant:  # fmt: skip
    header = {"features": [f"f{number}" for number in range(features)], "calibration": {}}
    forest = read_forest(arrays, rule=rule, feature_count=features)
    return Contestant(name, forest, pack(arrays, header), ask)


def train(values: Floats, labels: NDArray[np.int64]) -> list[Contestant]:
    from sklearn.ensemble import (
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        IsolationForest,
        RandomForestClassifier,
    )

    features, target = values.shape[1], values[:, 0] * 3 + labels
    isolation = IsolationForest(n_estimators=TREES, random_state=0).fit(values)
    forest = RandomForestClassifier(n_estimators=TREES, min_samples_leaf=5, random_state=0)
    forest.fit(values, labels)
    boosting = GradientBoostingRegressor(n_estimators=TREES, random_state=0).fit(values, target)
    histogram = HistGradientBoostingRegressor(max_iter=TREES, random_state=0).fit(values, target)
    return [
        build(
            "isolation forest", "isolation", flatten_isolation(isolation),
            lambda rows: -isolation.score_samples(rows), features,
        ),
        build(
            "random forest, 3 classes", "mean", flatten_forest(forest), forest.predict_proba,
            features,
        ),
        build("gradient boosting", "sum", flatten_boosting(boosting), boosting.predict, features),
        build(
            "histogram boosting", "sum", flatten_histogram_boosting(histogram), histogram.predict,
            features,
        ),
    ]  # fmt: skip


def measure(one: Contestant, values: Floats) -> dict[str, float]:
    """The figures of a contestant, after its answers were found equal."""
    single, batch = values[:1], values[:BATCH]
    expected = one.ask(batch).reshape(batch.shape[0], -1)
    difference = float(np.abs(predict(one.forest, batch) - expected).max())
    return {
        "difference": difference,
        "single_ms": measure_seconds(lambda: predict(one.forest, single), repeats=300) * 1e3,
        "batch_us": measure_seconds(lambda: predict(one.forest, batch), repeats=10) / BATCH * 1e6,
        "explain_ms": measure_seconds(lambda: explain(one.forest, single), repeats=100) * 1e3,
        "sklearn_single_ms": measure_seconds(lambda: one.ask(single), repeats=20) * 1e3,
        "sklearn_batch_us": measure_seconds(lambda: one.ask(batch), repeats=10) / BATCH * 1e6,
        "load_ms": measure_seconds(lambda: load(one.content, one.forest), repeats=5) * 1e3,
        "kilobytes": len(one.content) / 1000,
    }


def load(content: bytes, like: Forest) -> Forest:
    """Read a file as serving does: proven, unpacked, checked."""
    artifact = unpack(content)
    return read_forest(artifact.arrays, rule=like.rule, feature_count=like.feature_count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=25)
    arguments = parser.parse_args()
    values, labels = draw(arguments.rows, arguments.features)
    figures = {one.name: measure(one, values) for one in train(values, labels)}
    print_table(
        ("model", "one row ms", "a row of 1,000 us", "explain ms", "sklearn one ms",
         "sklearn of 1,000 us", "load ms", "kB", "difference"),
        [
            (
                name, f"{row['single_ms']:.3f}", f"{row['batch_us']:.2f}",
                f"{row['explain_ms']:.3f}", f"{row['sklearn_single_ms']:.2f}",
                f"{row['sklearn_batch_us']:.2f}", f"{row['load_ms']:.1f}",
                f"{row['kilobytes']:.0f}", f"{row['difference']:g}",
            )
            for name, row in figures.items()
        ],
    )  # fmt: skip
    finish_all(*build_claims(figures))


def build_claims(figures: dict[str, dict[str, float]]) -> list[Claim]:
    """The slowest model answers for all."""

    def claim(text: str, key: str, unit: str, goal: float) -> Claim:
        worst = max(row[key] for row in figures.values())
        beside = {name: round(row[f"sklearn_{key}"], 3) for name, row in figures.items()}
        return Claim(text, round(worst, 4), unit, goal, "lower", beside)

    exactness = max(row["difference"] for row in figures.values())
    return [
        Claim("flat trees differ from scikit-learn by at most", exactness, "", 0.0, "lower"),
        claim("processor time of one row, slowest model", "single_ms", "ms", SINGLE_GOAL_MS),
        claim("processor time a row of 1,000, slowest model", "batch_us", "us", BATCH_GOAL_US),
    ]


if __name__ == "__main__":
    main()
