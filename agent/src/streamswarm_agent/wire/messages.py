"""What the server says, as values. `parse` raises KeyError, TypeError or ValueError."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from streamswarm_agent.wire.times import parse_time

ALONE = "alone"
INITIATOR = "initiator"
RESPONDER = "responder"

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Schedule:
    kind: str
    revision: int
    anchor_ms: int
    every_ms: int
    slip_ms: int
    expression: str = ""
    time_zone: str = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            kind=str(document["kind"]),
            revision=int(document["revision"]),
            anchor_ms=int(document["anchor_ms"]),
            every_ms=int(document["every_ms"]),
            slip_ms=int(document["slip_ms"]),
            expression=str(document.get("expression") or ""),
            time_zone=str(document.get("time_zone") or ""),
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    id: str
    name: str
    kind: str
    target: str
    parameters: Mapping[str, Any]
    schedule: Schedule
    duration_seconds: float
    sample_interval_seconds: float
    is_self_derivable: bool
    role: str = ALONE
    is_exclusive: bool = False

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            id=str(document["id"]),
            name=str(document["name"]),
            kind=str(document["kind"]),
            target=str(document.get("target") or ""),
            parameters=dict(document["parameters"]),
            schedule=Schedule.parse(document["schedule"]),
            duration_seconds=float(document["duration_seconds"]),
            sample_interval_seconds=float(document["sample_interval_seconds"]),
            is_self_derivable=bool(document["is_self_derivable"]),
            role=str(document.get("role") or ALONE),
            is_exclusive=bool(document.get("is_exclusive", False)),
        )


@dataclass(frozen=True, slots=True)
class RunPeer:
    """The other end of a run; of one that is answered, `address` is who alone may ask, or empty."""

    address: str
    port: int
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        key = bytes.fromhex(document["key"])
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a run's key has {_KEY_BYTES} bytes")
        return cls(address=str(document["address"]), port=int(document["port"]), key=key)


@dataclass(frozen=True, slots=True)
class Run:
    id: str
    assignment_id: str
    slot: int | None
    start_ms: int
    duration_seconds: float
    is_on_demand: bool
    peer: RunPeer | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        slot, peer = document["slot"], document.get("peer")
        return cls(
            id=str(document["id"]),
            assignment_id=str(document["assignment_id"]),
            slot=None if slot is None else int(slot),
            start_ms=int(document["start_ms"]),
            duration_seconds=float(document["duration_seconds"]),
            is_on_demand=bool(document["is_on_demand"]),
            peer=None if peer is None else RunPeer.parse(peer),
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """A time of maintenance in which no run may start by the agent's own reckoning."""

    start_ms: int
    end_ms: int

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(start_ms=int(document["start_ms"]), end_ms=int(document["end_ms"]))


@dataclass(frozen=True, slots=True)
class Lease:
    """All that an agent has to do: complete, so what is missing is paused or gone."""

    server_time_ms: int
    schedule_revision: int
    horizon_end_ms: int
    assignments: Mapping[str, Assignment]
    runs: tuple[Run, ...]
    cancelled: frozenset[str]
    pauses: tuple[Pause, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        assignments = [Assignment.parse(entry) for entry in document["assignments"]]
        return cls(
            server_time_ms=round(parse_time(document["server_time"]) * 1000),
            schedule_revision=int(document["schedule_revision"]),
            horizon_end_ms=round(parse_time(document["horizon_end"]) * 1000),
            assignments={assignment.id: assignment for assignment in assignments},
            runs=tuple(Run.parse(entry) for entry in document["runs"]),
            cancelled=frozenset(str(run_id) for run_id in document["cancelled"]),
            pauses=tuple(Pause.parse(entry) for entry in document.get("pauses") or ()),
        )


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    interval_seconds: float = 10.0
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """How the agent behaves; the defaults hold until the server has said otherwise once."""

    heartbeat_seconds: float = 30.0
    lease_seconds: float = 10.0
    collectors: Mapping[str, CollectorSettings] = field(default_factory=dict)
    stream_seconds: float = 1.0
    idle_seconds: float = 10.0
    denied_networks: tuple[str, ...] = ("169.254.0.0/16", "fe80::/10")

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            heartbeat_seconds=_parse_period(document["heartbeat_seconds"]),
            lease_seconds=_parse_period(document["lease_seconds"]),
            collectors={
                str(name): CollectorSettings(
                    _parse_period(entry["interval_seconds"]), bool(entry["is_enabled"])
                )
                for name, entry in document["collectors"].items()
            },
            stream_seconds=_parse_period(document["upload"]["stream_seconds"]),
            idle_seconds=_parse_period(document["upload"]["idle_seconds"]),
            denied_networks=tuple(str(net) for net in document["policy"]["denied_networks"]),
        )


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    received_at: float
    answered_at: float
    heartbeat_seconds: float
    config_etag: str
    schedule_revision: int
    is_inventory_wanted: bool

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            received_at=parse_time(document["received_at"]),
            answered_at=parse_time(document["answered_at"]),
            heartbeat_seconds=_parse_period(document["heartbeat_seconds"]),
            config_etag=str(document["config_etag"]),
            schedule_revision=int(document["schedule_revision"]),
            is_inventory_wanted=bool(document["is_inventory_wanted"]),
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    client_id: str
    name: str
    key: str = field(repr=False)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(str(document["client_id"]), str(document["name"]), str(document["key"]))


@dataclass(frozen=True, slots=True)
class Rejection:
    id: str
    code: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class RecordsAnswer:
    stored: tuple[str, ...]
    duplicate: tuple[str, ...]
    rejected: tuple[Rejection, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        return cls(
            stored=tuple(str(record) for record in document["stored"]),
            duplicate=tuple(str(record) for record in document["duplicate"]),
            rejected=tuple(
                Rejection(
                    id=str(entry["id"]),
                    code=str(entry["code"]),
                    field=str(entry.get("field") or ""),
                    detail=str(entry.get("detail") or ""),
                )
                for entry in document["rejected"]
            ),
        )


def _parse_period(value: Any) -> float:
    """A period that cannot make a loop spin, whatever the server says."""
    return max(0.1, float(value))
