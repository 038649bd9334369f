"""How unusual a value must be before somebody is told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from apps.ml.algorithms.series.detector import THRESHOLD

NORMAL: Final = "normal"
# What each costs and saves is measured in docs/apps/ml.md.
THRESHOLDS: Mapping[str, float] = MappingProxyType({NORMAL: THRESHOLD, "low": 1.10, "lowest": 1.25})
