"""Processor time of training the models of tests on 10,000 results, and of judging by them.

Results of one ping test as they come from a path with a day, a load and a queue; features are
built, both models are fitted as a training does it, and the joint model then judges one result and
a thousand. The figures are processor time of this process, in which every thread counts; the least
of several tries is taken of what is short, because the machine is shared.

    python -m benchmarks.training [--rows 10000]
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np

from apps.ml.algorithms.features import (
    Measured,
    Observations,
    build_features,
    list_floors,
    name_features,
)
from apps.ml.algorithms.joint import explain_row, read_joint, score_rows
from apps.ml.algorithms.joint_fitting import fit_joint
from apps.ml.algorithms.next_fitting import Problem, fit_next
from apps.ml.algorithms.next_values import (
    build_next_features,
    build_targets,
    find_last,
    find_level,
    list_aims,
    name_next_features,
)
from benchmarks.measuring.report import Claim, finish_all, print_table

TRAINING_GOAL_SECONDS = 30.0
SINGLE_GOAL_MS = 0.2
BATCH = 1000
BATCH_GOAL_US = 10.0
EVERY_SECONDS = 300.0
METRICS = (
    Measured("net.rtt.median", 1e-4),
    Measured("net.packet.loss.ratio", 0.01),
    Measured("net.jitter.rfc3550", 1e-4),
    Measured("net.rtt.max", 1e-4),
)
SAID = tuple(metric.key for metric in METRICS[:3])


def draw(count: int) -> Observations:
    """Round trips that follow the load of the day, jitter that follows them, rare losses."""
    rng = np.random.default_rng(0)
    at = 1_780_000_000.0 + EVERY_SECONDS * np.arange(count, dtype=np.float64)
    load = 0.5 + 0.3 * np.sin(2 * np.pi * at / 86_400) + 0.05 * rng.normal(size=count)
    rtt = 0.02 + 0.01 * load + 0.001 * rng.normal(size=count)
    jitter = 0.1 * rtt + 0.0002 * rng.normal(size=count)
    longest = rtt + 3 * jitter + 0.002 * np.abs(rng.normal(size=count))
    loss = np.where(rng.random(count) < 0.03, 0.01, 0.0)
    host = np.column_stack([load, 0.5 + 0.01 * rng.normal(size=count), 2 * load])
    values = np.column_stack([rtt, loss, jitter, longest])
    zeros = np.zeros(count)
    return Observations(at.astype(np.float64), values, zeros, host, zeros, zeros)


def measure_seconds(work: Callable[[], object], *, repeats: int = 1) -> float:
    """The least processor time of a call."""
    best = float("inf")
    for _number in range(repeats):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def measure(rows: int) -> dict[str, float]:
    """Seconds of each step; of the library's import as well, which each worker pays once."""
    observations = draw(rows + BATCH)
    names, floors = name_features(METRICS), list_floors(METRICS)
    figures = {
        "features": measure_seconds(lambda: build_features(observations, METRICS), repeats=3)
    }
    values = build_features(observations, METRICS)

    def train() -> None:
        fit_joint(values[:rows], observations.at[:rows], features=names, floors=floors, seed=0)

    figures["import"] = measure_seconds(import_library)
    figures["joint"] = measure_seconds(train, repeats=2)
    figures["prediction"] = measure_seconds(lambda: train_next(observations, rows))
    fitted = fit_joint(values[:rows], observations.at[:rows], features=names, floors=floors, seed=0)
    model = read_joint(fitted.arrays, fitted.calibration, names)
    one, many = values[-1:], values[-BATCH:]
    figures["single"] = measure_seconds(lambda: score_rows(model, one, names), repeats=300)
    batch = measure_seconds(lambda: score_rows(model, many, names), repeats=15)
    figures["batch_row"] = batch / BATCH
    at = float(observations.at[-1])
    figures["explain"] = measure_seconds(lambda: explain_row(model, one[0], at), repeats=50)
    figures["false_alarms"] = float((score_rows(model, many, names) > 1).mean())
    return figures


def import_library() -> None:
    import_module("sklearn.ensemble")


def train_next(observations: Observations, rows: int) -> None:
    names = name_next_features(METRICS, SAID)
    aims = list_aims(SAID)
    values = build_next_features(observations, METRICS, SAID)[:rows]
    targets = build_targets(observations, METRICS, aims)[:rows]
    problems = []
    for place, aim in enumerate(aims):
        level = find_level(values, names, aim.key)
        known = np.isfinite(level) & np.isfinite(targets[:, place])
        last = find_last(values, names, aim.key)
        problems.append(Problem(aim, values[known], last[known], targets[known, place]))
    fit_next(problems, 0, lambda _share: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    figures = measure(arguments.rows)
    print_table(
        ("step", "processor time"),
        [
            ("features of all rows", f"{figures['features']:.2f} s"),
            ("import of scikit-learn", f"{figures['import']:.2f} s"),
            ("joint anomaly, fit", f"{figures['joint']:.2f} s"),
            (
                "nine values to come, fit and backtest",
                f"{figures['prediction']:.2f} s",
            ),
            ("one result judged", f"{figures['single'] * 1e3:.3f} ms"),
            ("a result of 1,000 judged together", f"{figures['batch_row'] * 1e6:.1f} us"),
            ("one result explained", f"{figures['explain'] * 1e3:.2f} ms"),
            ("usual results called unusual", f"{figures['false_alarms']:.2%}"),
        ],
    )
    steps = ("features", "import", "joint", "prediction")
    total = sum(figures[step] for step in steps)
    finish_all(*build_claims(figures, total, arguments.rows))


def build_claims(figures: dict[str, float], total: float, rows: int) -> list[Claim]:
    steps = {name: round(figures[name], 3) for name in ("features", "joint", "prediction")}
    batch = figures["batch_row"] * 1e6
    return [
        Claim(
            f"processor time of training both models on {rows} results",
            round(total, 3),
            "s",
            TRAINING_GOAL_SECONDS,
            "lower",
            steps,
        ),
        Claim(
            "processor time of judging one result",
            round(figures["single"] * 1e3, 4),
            "ms",
            SINGLE_GOAL_MS,
            "lower",
            {"explained_ms": round(figures["explain"] * 1e3, 3)},
        ),
        Claim(
            "processor time a result of 1,000 judged together",
            round(batch, 3),
            "us",
            BATCH_GOAL_US,
            "lower",
            {"false_alarms": figures["false_alarms"]},
        ),
    ]


if __name__ == "__main__":
    main()
