"""The result of a run, as it is kept on disk and sent."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from streamswarm_agent.wire.records import Record, encode_json, split_measurements

OutcomeName = Literal["completed", "failed", "cancelled", "aborted"]


@dataclass(frozen=True, slots=True)
class StartedRun:
    """What a result says that is known when its run starts."""

    run: str
    assignment: str
    slot: int | None
    revision: int
    started_at: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a result says that is known when its run ends."""

    outcome: OutcomeName
    reason: str = ""
    is_success: bool | None = None
    method: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)


def build_result(started: StartedRun, finding: Finding, *, finished_at: str) -> Record:
    """The result record that closes a run; values that are no finite number become absent."""
    payload = asdict(started) | {"finished_at": finished_at} | _describe_finding(finding)
    return Record("result", finished_at, encode_json(payload))


def _describe_finding(finding: Finding) -> dict[str, Any]:
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    for layout, numbers, codes in split_measurements(finding.values, finding.absent):
        pairs = zip(layout.keys, numbers, strict=True)
        values |= {key: number for key, number in pairs if number is not None}
        absent |= codes
    return asdict(finding) | {"values": values, "absent": absent}
