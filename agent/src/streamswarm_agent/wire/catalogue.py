"""The metrics both sides know, from `metrics.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from streamswarm_agent.wire.files import load_wire_file


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    unit: str
    kind: str
    description: str
    attributes: tuple[str, ...]


@cache
def load_metrics() -> Mapping[str, Metric]:
    """Every metric of the catalogue by its name."""
    return {
        entry["name"]: Metric(
            name=entry["name"],
            unit=entry["unit"],
            kind=entry["kind"],
            description=entry["description"],
            attributes=tuple(entry["attributes"]),
        )
        for entry in load_wire_file("metrics.json")["metrics"]
    }
