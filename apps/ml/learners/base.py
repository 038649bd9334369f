"""What a kind of model has to offer: the rest of its life is the same for all (docs/apps/ml.md).

A training collects rows, keeps the newest aside and fits on the older ones. The new model, the
champion and the dumb baseline of the kind then judge the rows that none of them has seen.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from django.utils.functional import Promise
from numpy.typing import NDArray

from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.scopes import Scope

__all__ = ["Artifact", "Evaluation", "Learner", "Progress", "Rows", "Scope", "Trained"]


class Progress(Protocol):
    def __call__(self, share: float, note: str = "") -> None:
        """Say how far the fitting is, from 0 to 1; shown while it runs.

        Raises: JobLost when nobody wants the model any more.
        """


@dataclass(frozen=True, slots=True)
class Rows:
    """What is learned from or judged, oldest first.

    `values` has a row an observation and a column a feature, NaN where nothing was measured; `at`
    the moment of each in seconds since 1970, ascending; `groups` a number of the client that each
    is of. `targets` are the labels or the values to come, NaN where unknown; kinds that learn
    without labels have none. `incidents` counts what happened independently, not rows; `labels` how
    many targets each sort of witness has given.
    """

    features: tuple[str, ...]
    values: NDArray[np.float64]
    at: NDArray[np.float64]
    groups: NDArray[np.int64]
    targets: NDArray[np.float64] | None = None
    incidents: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.at.shape[0]
        lengths = {self.values.shape[0], self.groups.shape[0]}
        if self.targets is not None:
            lengths.add(self.targets.shape[0])
        if self.values.ndim != 2 or self.values.shape[1] != len(self.features):  # noqa: PLR2004 - a table
            raise ValueError("values must have a column for each feature")
        if lengths != {count}:
            raise ValueError("rows must have one time, group and target each")
        if np.any(np.diff(self.at) < 0):
            raise ValueError("rows must be in the order of time")

    def __len__(self) -> int:
        return int(self.at.shape[0])

    def take(self, chosen: NDArray[np.bool_]) -> "Rows":
        """The rows for which `chosen` is true."""
        return Rows(
            features=self.features,
            values=self.values[chosen],
            at=self.at[chosen],
            groups=self.groups[chosen],
            targets=None if self.targets is None else self.targets[chosen],
            incidents=self.incidents,
            labels=self.labels,
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted model as arrays without objects, and what its file says of it in JSON.

    `calibration` holds what turns its figures into judgements (quantiles, thresholds).
    """

    arrays: Mapping[str, NDArray[Any]]
    calibration: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)


class Learner(Protocol):
    """A kind of model.

    From `provisional` rows on it is trained, from `needed` on it may raise alarms. Rows within
    `purge_seconds` before those kept aside are not learned from: they know what comes after them.
    """

    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str | Promise: ...
    @property
    def needed(self) -> int: ...
    @property
    def provisional(self) -> int: ...
    @property
    def purge_seconds(self) -> float: ...
    @property
    def finding_kinds(self) -> Collection[str]:
        """The kinds of findings that it raises; what people say of them may ask for retraining."""

    @property
    def baseline(self) -> str | Promise:
        """What it has to beat, in words: "the same as now"."""

    def list_scopes(self) -> Sequence[Scope]:
        """What there is to learn about now."""

    def count_rows(self, scopes: Sequence[Scope], until: datetime) -> Mapping[Scope, int]:
        """How many rows `collect` would give for each, by as many queries for any number."""

    def collect(self, scope: Scope, until: datetime) -> Rows:
        """The rows from before `until`, bounded, without what is known to be a fault."""

    def fit(self, rows: Rows, seed: int, report: Progress) -> Trained:
        """The model of these rows, the same for the same seed. Imports scikit-learn by itself.

        Raises: ValueError, in words for people, for rows that nothing can be learned from.
        """

    def evaluate(self, artifact: Artifact, rows: Rows) -> Evaluation:
        """How the model and the dumb baseline do on rows that it has not seen.

        Raises: ValueError for an artifact that is no model of this kind.
        """
