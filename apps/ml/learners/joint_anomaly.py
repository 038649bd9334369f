"""Whether a result is unusual as a whole, learned from results of the same test and client."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from django.utils.translation import gettext_lazy as _

from apps.ml.algorithms.features import (
    Measured,
    build_features,
    find_keys,
    list_floors,
    name_features,
)
from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.joint import OtherFeaturesError, score_scaled, standardise
from apps.ml.algorithms.joint_fitting import fit_joint
from apps.ml.algorithms.planting import plant_faults
from apps.ml.algorithms.stages import LEAST_ALERTING, LEAST_SHOWN
from apps.ml.learners.assignments import count_results, find_assignment, list_assignment_scopes
from apps.ml.learners.base import Artifact, Progress, Rows, Scope, Trained
from apps.ml.models import Finding
from apps.ml.selectors.joint import KIND, build_joint
from apps.ml.selectors.labels import find_confirmed
from apps.ml.selectors.observations import find_floor, list_measured, read_observations


class JointAnomalyLearner:
    """Isolation forest and principal components over the features of a result."""

    kind = KIND
    title = _("Unusual results as a whole")
    needed = LEAST_ALERTING
    provisional = LEAST_SHOWN
    purge_seconds = 0.0
    finding_kinds = (Finding.Kind.JOINT_ANOMALY,)
    baseline = _("each figure by itself against its usual range")

    def list_scopes(self) -> Sequence[Scope]:
        return list_assignment_scopes()

    def count_rows(self, scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
        return count_results(scopes, until)

    def collect(self, scope: Scope, until: datetime) -> Rows:
        """Results without those that somebody confirmed as faults; rejected ones are usual."""
        assignment = find_assignment(scope)
        metrics = list_measured(assignment.test.kind)
        observations = read_observations(assignment, metrics, until=until).observations
        values = build_features(observations, metrics)
        at = observations.at
        rows = Rows(name_features(metrics), values, at, np.zeros(at.size, dtype=np.int64))
        return rows.take(~find_confirmed(assignment, at))

    def fit(self, rows: Rows, seed: int, report: Progress) -> Trained:
        report(0.1, "grows trees")
        keys = find_keys(rows.features)
        fitted = fit_joint(
            rows.values,
            rows.at,
            features=rows.features,
            floors=list_floors([Measured(key, find_floor(key)) for key in keys]),
            seed=seed,
        )
        return Trained(fitted.arrays, fitted.calibration)

    def evaluate(self, artifact: Artifact, rows: Rows) -> Evaluation:
        """A wrong call is one raised for a row, or none for its twin with a planted fault."""
        model = build_joint(artifact)
        if rows.features != model.features:
            raise OtherFeaturesError("the model was learned from other features")
        scaled = standardise(model, rows.values)
        twins = plant_faults(scaled, [model.features[place] for place in model.used])
        scores, of_twins = score_scaled(model, scaled), score_scaled(model, twins)
        edge = float(artifact.calibration["marginal_threshold"])
        is_far, are_twins_far = (np.abs(one).max(axis=1) > edge for one in (scaled, twins))
        return Evaluation(
            losses=((scores > 1).astype(float) + (of_twins <= 1)) / 2,
            baseline_losses=(is_far.astype(float) + ~are_twins_far) / 2,
            outputs=scores,
            false_positive_rate=float((scores > 1).mean()),
            figures={
                "planted_found": float((of_twins > 1).mean()),
                "baseline_planted_found": float(are_twins_far.mean()),
                "baseline_false_positive_rate": float(is_far.mean()),
            },
        )
