from apps.ml.algorithms.series.detector import (
    CHANNELS,
    LEARNING_VALUES,
    THRESHOLD,
    SeriesDetector,
    Verdict,
)
from apps.ml.algorithms.series.state import read_state, write_state

__all__ = [
    "CHANNELS",
    "LEARNING_VALUES",
    "THRESHOLD",
    "SeriesDetector",
    "Verdict",
    "read_state",
    "write_state",
]
