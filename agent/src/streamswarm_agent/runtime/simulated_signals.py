"""What simulated agents measure: values that look like their metrics, with a day and its noise."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from streamswarm_agent.probes.measures import (
    Measure,
    measure_loss,
    measure_round_trips,
    measure_variation,
)
from streamswarm_agent.runtime.simulated_anomalies import Anomaly, AnomalyKind
from streamswarm_agent.wire.layouts import Layout, build_layout
from streamswarm_agent.wire.messages import Assignment
from streamswarm_agent.wire.schedule import compute_phase_ms, make_run_id

_DAY_SECONDS = 86_400.0
_DRIFT_KEPT = 0.9
_DRIFT_STEP = 0.03
_LEVEL_SHIFT = 0.6
_SPIKE = 1.2
_PROBES_A_SAMPLE = 10
_USUAL_LOSS = 0.002

Values = tuple[Sequence[float | None], Mapping[str, str]]
"""The values in the order of the layout, and the reason codes of those that are not there."""


class Signal(Protocol):
    """One source of a simulated client."""

    source_kind: str
    subject: str
    layout: Layout
    anomaly_kinds: Sequence[AnomalyKind]

    def measure(self, at: float, anomaly: Anomaly | None) -> Values:
        """The frame of a Unix time."""

    def find_run_id(self, at: float) -> str | None:
        """The run that a frame of a Unix time belongs to; None where there are no runs."""

    def list_affected_keys(self, kind: AnomalyKind) -> Sequence[str]:
        """The keys in which an anomaly of the kind shows."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a metric follows the host's activity: its value at none and at full, and its noise."""

    idle: float
    busy: float
    noise: float
    decimals: int
    ceiling: float = math.inf

    def draw(self, activity: float, noise: float) -> float:
        """The value at an activity of 0 to 1 (above 1 in an anomaly) and a normal deviate."""
        value = self.idle + (self.busy - self.idle) * activity + self.noise * noise
        return round(min(self.ceiling, max(0.0, value)), self.decimals)


_CORE = Shape(0.02, 0.65, 0.06, 4, 1.0)
_HOST_SHAPES: Mapping[str, Shape] = {
    "system.cpu.utilization": Shape(0.04, 0.6, 0.02, 4, 1.0),
    "system.memory.utilization": Shape(0.42, 0.58, 0.003, 4, 1.0),
    "system.cpu.load_average.1m": Shape(0.2, 4.5, 0.3, 2),
    "system.cpu.load_average.5m": Shape(0.25, 4.2, 0.1, 2),
    "system.cpu.load_average.15m": Shape(0.3, 4.0, 0.05, 2),
    "system.cpu.utilization{state=idle}": Shape(0.95, 0.35, 0.02, 4, 1.0),
    "system.cpu.utilization{state=iowait}": Shape(0.003, 0.04, 0.003, 4, 1.0),
    "system.cpu.utilization{state=system}": Shape(0.01, 0.17, 0.008, 4, 1.0),
    "system.cpu.utilization{state=user}": Shape(0.03, 0.43, 0.015, 4, 1.0),
    "system.cpu.context_switches.rate": Shape(900, 26_000, 700, 1),
    "system.cpu.interrupts.rate": Shape(500, 12_000, 300, 1),
    "system.cpu.pressure": Shape(0.0, 0.2, 0.01, 4, 1.0),
    "system.io.pressure": Shape(0.0, 0.1, 0.01, 4, 1.0),
    "system.memory.pressure": Shape(0.0, 0.01, 0.001, 4, 1.0),
    "system.memory.available": Shape(9.6e9, 7.0e9, 2e7, -3),
    "system.memory.usage{state=buffers}": Shape(2.1e8, 2.2e8, 1e5, -3),
    "system.memory.usage{state=cached}": Shape(4.4e9, 4.9e9, 1e6, -3),
    "system.memory.usage{state=free}": Shape(5.1e9, 2.2e9, 2e7, -3),
    "system.memory.usage{state=used}": Shape(6.7e9, 9.3e9, 2e7, -3),
    "system.process.count": Shape(180, 240, 2, 0),
    "system.file_descriptors.utilization": Shape(0.002, 0.006, 0.0001, 5, 1.0),
    "system.cpu.steal": Shape(0.0, 0.01, 0.002, 4, 1.0),
    "system.paging.utilization": Shape(0.01, 0.01, 0.0, 4, 1.0),
    "system.users.count": Shape(1, 1, 0.0, 0),
}


def build_host_shapes(metrics: int) -> dict[str, Shape]:
    """The shapes of so many host metrics; beyond the host's own, one for each processor core."""
    own = dict(list(_HOST_SHAPES.items())[:metrics])
    cores = range(metrics - len(own))
    return own | {f"system.cpu.utilization{{cpu={core}}}": _CORE for core in cores}


def read_daytime(at: float, peak: float) -> float:
    """How busy the day is at a Unix time, 0 to 1; `peak` is the busiest part of it, 0 to 1."""
    return 0.5 + 0.5 * math.cos(2 * math.pi * (at / _DAY_SECONDS - peak))


class SimulatedHost:
    """The metrics of a host: all follow its activity, which follows the day and drifts."""

    source_kind = "host"
    subject = ""
    anomaly_kinds: Sequence[AnomalyKind] = ("level_shift", "spike", "drop_out")

    def __init__(self, metrics: int, rng: random.Random) -> None:
        """Raises: ValueError for more metrics than a layout holds."""
        shapes = build_host_shapes(metrics)
        self.layout = build_layout(shapes)
        self._shapes = [shapes[key] for key in self.layout.keys]
        self._rng = rng
        self._peak = rng.random()
        self._drift = 0.0

    def measure(self, at: float, anomaly: Anomaly | None) -> Values:
        """As Signal: nothing is absent."""
        gauss = self._rng.gauss
        self._drift = _DRIFT_KEPT * self._drift + gauss(0.0, _DRIFT_STEP)
        activity = max(0.0, 0.1 + 0.6 * read_daytime(at, self._peak) + self._drift)
        if anomaly is not None:
            rise = _SPIKE if anomaly.kind == "spike" else _LEVEL_SHIFT
            activity += rise * anomaly.strength
        return [shape.draw(activity, gauss(0.0, 1.0)) for shape in self._shapes], {}

    def find_run_id(self, at: float) -> str | None:  # noqa: ARG002 - a host has no runs
        """As Signal."""
        return None

    def list_affected_keys(self, kind: AnomalyKind) -> Sequence[str]:
        """As Signal."""
        if kind == "drop_out":
            return self.layout.keys
        pairs = zip(self.layout.keys, self._shapes, strict=True)
        return [key for key, shape in pairs if shape.busy != shape.idle]


class SimulatedPing:
    """The samples of a ping test, computed by the probe's own rules from drawn round trips."""

    source_kind = "assignment"
    anomaly_kinds: Sequence[AnomalyKind] = ("level_shift", "spike", "loss_burst", "drop_out")
    LOSS_KEYS: ClassVar[frozenset[str]] = frozenset(measure_loss([]))

    def __init__(self, assignment: Assignment, rng: random.Random) -> None:
        """`assignment` has a regular schedule: each of its slots is taken for a run."""
        schedule = assignment.schedule
        self.subject = assignment.id
        self._schedule = schedule
        self._origin_ms = schedule.anchor_ms + compute_phase_ms(assignment.id, schedule)
        self.layout = build_layout(_measure_series([]))
        self._rng = rng
        self._peak = rng.random()
        self._path_seconds = rng.uniform(0.002, 0.12)

    def measure(self, at: float, anomaly: Anomaly | None) -> Values:
        """As Signal: seconds and ratios of ten probes; what too few of them give is absent."""
        usual_seconds = self._path_seconds * (1 + 0.3 * read_daytime(at, self._peak))
        loss = _USUAL_LOSS
        if anomaly is not None and anomaly.kind == "loss_burst":
            loss = anomaly.strength
        elif anomaly is not None:
            usual_seconds *= 1 + (15.0 if anomaly.kind == "spike" else 2.0) * anomaly.strength
        round_trips = [self._draw(usual_seconds, loss) for _ in range(_PROBES_A_SAMPLE)]
        measures = _measure_series(round_trips)
        ordered = [measures[key] for key in self.layout.keys]
        values = [None if isinstance(one, str) else round(one, 7) for one in ordered]
        absent = {key: one for key, one in measures.items() if isinstance(one, str)}
        return values, absent

    def find_run_id(self, at: float) -> str | None:
        """As Signal: that of the newest slot, the first one for times before the schedule."""
        slot = max(0, (int(at * 1000) - self._origin_ms) // self._schedule.every_ms)
        return make_run_id(self.subject, self._schedule.revision, slot)

    def list_affected_keys(self, kind: AnomalyKind) -> Sequence[str]:
        """As Signal."""
        if kind == "drop_out":
            return self.layout.keys
        is_loss = kind == "loss_burst"
        return [key for key in self.layout.keys if (key in self.LOSS_KEYS) == is_loss]

    def _draw(self, usual_seconds: float, loss: float) -> float | None:
        if self._rng.random() < loss:
            return None
        return usual_seconds + self._rng.expovariate(1 / (0.05 * usual_seconds))


def _measure_series(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    return (
        measure_round_trips(round_trips)
        | measure_loss(round_trips)
        | measure_variation(round_trips)
    )
