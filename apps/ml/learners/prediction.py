"""The next value of a test's chief metric, learned from results of the same test and client."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from django.utils.translation import gettext_lazy as _

from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.next_fitting import Problem, fit_next
from apps.ml.algorithms.next_values import (
    KIND,
    LEVEL_WINDOW,
    build_next_features,
    find_last,
    name_next_features,
    read_next,
    say_next,
)
from apps.ml.learners.assignments import count_results, find_assignment, list_assignment_scopes
from apps.ml.learners.base import Artifact, Progress, Rows, Scope, Trained
from apps.ml.selectors.labels import find_confirmed
from apps.ml.selectors.observations import list_measured, read_observations


class PredictionLearner:
    """Gradient boosting over lags, circumstances and the calendar, one step ahead."""

    kind = KIND
    title = _("The next value")
    needed = 500
    provisional = 200
    purge_seconds = 0.0
    finding_kinds = ()
    baseline = _("the same as the last value")

    def list_scopes(self) -> Sequence[Scope]:
        return list_assignment_scopes()

    def count_rows(self, scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
        """Without the first results, which have no recent level, and the newest without a next."""
        counts = count_results(scopes, until)
        return {scope: max(count - LEVEL_WINDOW, 0) for scope, count in counts.items()}

    def collect(self, scope: Scope, until: datetime) -> Rows:
        """A row for each result whose next one is known and was no confirmed fault."""
        assignment = find_assignment(scope)
        metrics = list_measured(assignment.test.kind)
        observations = read_observations(assignment, metrics, until=until).observations
        values = build_next_features(observations, metrics)
        at = observations.at
        following = np.append(observations.values[1:, 0], np.nan)[: at.size]
        following[np.append(find_confirmed(assignment, at)[1:], True)[: at.size]] = np.nan
        rows = Rows(
            name_next_features(metrics), values, at, np.zeros(at.size, dtype=np.int64), following
        )
        last = find_last(values, rows.features)
        return rows.take(np.isfinite(following) & np.isfinite(values[:, -1]) & np.isfinite(last))

    def fit(self, rows: Rows, seed: int, report: Progress) -> Trained:
        """Raises: ValueError when the last value says as much (a rolling backtest)."""
        fitted = fit_next(describe_problem(rows), seed, report)
        return Trained(fitted.arrays, fitted.calibration)

    def evaluate(self, artifact: Artifact, rows: Rows) -> Evaluation:
        """Absolute errors in units of the last value's in training."""
        model = read_next(artifact.arrays, artifact.calibration, artifact.features)
        problem = describe_problem(rows)
        unit = float(artifact.calibration["naive_error"])
        said = say_next(model, rows.values, rows.features)
        errors = np.abs(said - problem.following)
        return Evaluation(
            losses=errors / unit,
            baseline_losses=np.abs(problem.last - problem.following) / unit,
            outputs=said,
            figures={
                "backtest_ratio": model.ratio,
                "covered_80": float((errors <= model.widths["0.8"]).mean()),
            },
        )


def describe_problem(rows: Rows) -> Problem:
    """Raises: ValueError for rows that do not say what came next."""
    if rows.targets is None:
        raise ValueError("the rows do not say what came next")
    last = find_last(rows.values, rows.features)
    return Problem(rows.values, last, rows.targets)
