"""How good a model is on rows that it has not seen, and what is written down of that."""

import time
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.drift import Drift, Reference, describe_reference, measure_drift
from apps.ml.algorithms.gate import (
    Bounds,
    Contender,
    Evaluation,
    Interval,
    bootstrap_mean,
    measure_margin,
)
from apps.ml.errors import BadModelFile
from apps.ml.learners.base import Learner, Rows
from apps.ml.models import ModelVersion
from apps.ml.writers.model_files import read_file

BOUNDS = Bounds(row_seconds=0.005, size_bytes=32 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Judged:
    """A stored version, what is in its file, and how it did."""

    artifact: Artifact
    evaluation: Evaluation


def judge(
    learner: Learner, artifact: Artifact, rows: Rows, *, size_bytes: int, is_provisional: bool
) -> Contender:
    """A new model's evaluation on these rows, with the processor time that a row took.

    Raises: ValueError for an artifact that is no model of this kind.
    """
    began = time.process_time()
    evaluation = learner.evaluate(artifact, rows)
    row_seconds = (time.process_time() - began) / max(len(rows), 1)
    return Contender(evaluation, row_seconds, size_bytes, is_provisional)


def judge_version(learner: Learner, version: ModelVersion, rows: Rows) -> Judged | None:
    """How a stored version does on these rows.

    None when it cannot be asked about them: its file is bad, it learned from other features, or
    there are no rows.
    """
    if tuple(version.features) != rows.features or not len(rows):
        return None
    try:
        artifact = read_file(version.id, size_bytes=version.size_bytes, sha256=version.digest)
        return Judged(artifact, learner.evaluate(artifact, rows))
    except (BadModelFile, ValueError, KeyError):
        return None


def describe_metrics(contender: Contender, champion: Evaluation | None) -> dict[str, Any]:
    """The figures as they are stored, each mean loss with its 95 % interval."""
    mine = contender.evaluation
    return {
        "loss": show(bootstrap_mean(mine.losses)),
        "baseline": show(bootstrap_mean(mine.baseline_losses)),
        "margin": show(measure_margin(mine.losses, mine.baseline_losses)),
        "champion": show(bootstrap_mean(champion.losses)) if champion else None,
        "false_positive_rate": mine.false_positive_rate,
        "row_seconds": contender.row_seconds,
        "figures": {name: float(figure) for name, figure in mine.figures.items()},
    }


def show(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def build_reference(rows: Rows, evaluation: Evaluation) -> dict[str, NDArray[Any]]:
    """What the file keeps for drift: of the rows learned from, and of what is said of them."""
    reference = describe_reference(rows.values, evaluation.outputs)
    return {
        "drift_edges": reference.edges,
        "drift_counts": reference.counts,
        "drift_outputs": reference.outputs,
    }


def measure_judged_drift(judged: Judged, rows: Rows) -> Drift | None:
    """How far the rows are from what the version learned from; None when too few say anything."""
    arrays = judged.artifact.arrays
    try:
        reference = Reference(
            arrays["drift_edges"], arrays["drift_counts"], arrays["drift_outputs"]
        )
    except KeyError:
        return None
    return measure_drift(reference, rows.values, judged.evaluation.outputs)


def describe_drift(drift: Drift | None, rows: Rows) -> dict[str, Any]:
    """The drift as it is stored; that too few rows say nothing is stored as well."""
    if drift is None:
        return {"rows": len(rows)}
    return {
        "rows": drift.rows,
        "indices": dict(zip(rows.features, drift.indices, strict=True)),
        "drifted_share": drift.drifted_share,
        "is_drifted": drift.is_drifted,
        "distance": drift.distance,
        "is_distance_significant": drift.is_distance_significant,
    }
