"""The metrics both sides know, from `metrics.json` and the plug-ins' contracts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from streamswarm_agent.wire.files import load_wire_file
from streamswarm_agent.wire.plugins import load_contracts


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    unit: str
    kind: str
    description: str
    attributes: tuple[str, ...]
    group: str = ""
    emitted_by: tuple[str, ...] = ()


@cache
def load_metrics() -> Mapping[str, Metric]:
    """Every metric of the catalogue by its name; a plug-in cannot redefine one of ours."""
    added = [row for one in load_contracts() if one.value for row in one.value.metrics]
    return {
        entry["name"]: Metric(
            name=entry["name"],
            unit=entry["unit"],
            kind=entry["kind"],
            description=entry["description"],
            attributes=tuple(entry["attributes"]),
            group=entry["group"],
            emitted_by=tuple(entry.get("emitted_by", ())),
        )
        for entry in (*added, *load_wire_file("metrics.json")["metrics"])
    }
