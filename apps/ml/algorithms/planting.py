"""Faults planted into usual rows, so that what learns without labels can be judged.

A detector without labels has no losses of its own. Each row gets a twin with a fault whose kind is
known, and a call counts as wrong when it is raised for the row, or is not for the twin. The share
of planted faults that are found says which of two models sees more, and nothing about how often
faults of that size happen.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import CONTEXT, find_subject

Floats = NDArray[np.float64]

# In units of the usual spread: one metric far off, or three a little.
FAR, NEAR, TOGETHER = 8.0, 4.0, 3
KINDS: Final = 3


def plant_faults(scaled: Floats, features: Sequence[str], *, seed: int = 0) -> Floats:
    """A twin of each row with one metric far off, some a little, or some of another time.

    The kinds follow each other row by row; which metrics are hit is drawn by that seed. `scaled`
    is in units of the usual spread of each feature. Circumstances are never changed.
    Raises: ValueError when no feature is of a metric.
    """
    subjects = [find_subject(feature) for feature in features]
    metrics = [name for name in dict.fromkeys(subjects) if not name.startswith(f"{CONTEXT}:")]
    if not metrics:
        raise ValueError("there is no metric that could be changed")
    groups = np.array([[subject == name for subject in subjects] for name in metrics])
    rng = np.random.default_rng(seed)
    kind = np.arange(len(scaled)) % KINDS
    order = rng.permuted(np.tile(np.arange(len(metrics)), (len(scaled), 1)), axis=1)
    count = np.where(kind == 0, 1, np.where(kind == 1, TOGETHER, (len(metrics) + 1) // 2))
    is_hit = np.zeros((len(scaled), len(metrics)), dtype=bool)
    for place in range(len(metrics)):
        rows = np.flatnonzero(place < count)
        is_hit[rows, order[rows, place]] = True
    hit = is_hit.astype(float) @ groups > 0
    sign = rng.choice([-1.0, 1.0], size=(len(scaled), 1))
    size = np.where(kind == 0, FAR, NEAR)[:, np.newaxis]
    elsewhere = np.roll(scaled, max(len(scaled) // 2, 1), axis=0)
    is_moved = (kind == KINDS - 1)[:, np.newaxis]
    return np.where(hit, np.where(is_moved, elsewhere, scaled + sign * size), scaled)
