"""Recorded cases as lines of JSON: what a topology is like when it is well, and each run."""

import json
from collections import Counter
from dataclasses import dataclass, fields

from apps.ml.diagnosis.case import (
    Case,
    Disk,
    FileSystem,
    Hop,
    Link,
    Observation,
    Sibling,
    Usual,
)

DIGITS = 5
PARTS = {
    "hops": Hop,
    "file_systems": FileSystem,
    "disks": Disk,
    "links": Link,
    "same_target": Sibling,
    "same_client": Sibling,
    "same_site": Sibling,
}
OBSERVED = ("kind", "target", "at", "is_success", "reason", "values", "facts")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A case and the cause that was put into it; "" when nothing was."""

    run: str
    topology: str
    fault: str
    cause: str
    parameters: dict
    case: Case

    @property
    def is_held_out(self) -> bool:
        """Whether rules were never tuned on it: topologies of even numbers."""
        return int(self.topology.rpartition("-")[2]) % 2 == 0


def read_corpus(path):
    """All recorded runs of a file, in its order."""
    usual, recorded = {}, []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if "usual" in row:
            usual[row["topology"]] = read_usual(row["usual"])
        else:
            case = read_case(row.pop("case"), usual[row["topology"]])
            recorded.append(Recorded(**row, case=case))
    return recorded


def list_known(path):
    """Topologies and runs that the file has already."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {row.get("run", row["topology"]) for row in rows}


def read_usual(written):
    return {
        name: {key: Usual(*figures) for key, figures in metrics.items()}
        for name, metrics in written.items()
    }


def write_usual(usual):
    return {
        name: {
            key: [getattr(one, part.name) for part in fields(Usual)] for key, one in found.items()
        }
        for name, found in usual.items()
    }


def name_observation(one):
    return f"{one['kind']} {one['target']}"


def read_case(written, usual):
    """The case, each of its results with what is usual in its topology."""

    def observe(one):
        name = name_observation(one)
        return Observation(**one, usual=usual.get(name, {}), assignment_id=name)

    known = {**written}
    if known.get("observed"):
        known["observed"] = observe(known["observed"])
    for name in ("related", "gateway"):
        known[name] = tuple(observe(one) for one in known.get(name, ()))
    for name, part in PARTS.items():
        known[name] = tuple(part(**one) for one in known.get(name, ()))
    return Case(**{**known, "route_changes": tuple(known.get("route_changes", ()))})


def write_observation(outcome, at):
    """An outcome as a case has it; of its document only what judges read."""
    resolvers = outcome["document"].get("resolvers")
    document = {"document": {"resolvers": resolvers}} if resolvers else {}
    return {**{name: outcome[name] for name in OBSERVED if name != "at"}, "at": at, **document}


def shorten(value):
    """Numbers to five digits, in all depths."""
    if isinstance(value, dict):
        return {key: shorten(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [shorten(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < 1e8 else value
    return value


def write_line(row):
    return json.dumps(shorten(row), separators=(",", ":"), sort_keys=True) + "\n"


def count_causes(recorded):
    return Counter(one.cause for one in recorded)
