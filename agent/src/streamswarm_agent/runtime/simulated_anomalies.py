"""Anomalies of simulated agents: when they come, how long they last, and a note of each."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

AnomalyKind = Literal["level_shift", "spike", "loss_burst", "drop_out"]

_SHORTEST_AND_LONGEST_FRAMES: dict[AnomalyKind, tuple[int, int]] = {
    "level_shift": (20, 60),
    "spike": (1, 2),
    "loss_burst": (3, 12),
    "drop_out": (3, 15),
}
_WEAKEST, _STRONGEST = 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is wrong with a signal: `strength` is 0.5 to 1, `length_frames` how long it lasts."""

    kind: AnomalyKind
    strength: float
    length_frames: int


@dataclass(frozen=True, slots=True)
class PastAnomaly:
    """An anomaly as it came out, with the Unix times of its first and last frame.

    The frames of a `drop_out` are those that were never made.
    """

    anomaly: Anomaly
    started_at: float
    finished_at: float
    frames: int


class AnomalyPlan:
    """Quiet and anomalous stretches in turn, so that a share of all frames is anomalous."""

    def __init__(
        self,
        share: float,
        kinds: Sequence[AnomalyKind],
        rng: random.Random,
        *,
        on_past: Callable[[PastAnomaly], None],
    ) -> None:
        """`on_past` is told of each anomaly when it is over."""
        self._share = share
        self._kinds = kinds
        self._rng = rng
        self._on_past = on_past
        self._anomaly: Anomaly | None = None
        self._times: list[float] = []
        self._next = self._draw()
        self._quiet_frames = self._draw_quiet_frames()

    def step(self, at: float) -> Anomaly | None:
        """What is wrong with the next frame, which is of that Unix time; None for nothing."""
        if self._share <= 0:
            return None
        if self._anomaly is not None and len(self._times) == self._anomaly.length_frames:
            self.close()
            self._next = self._draw()
            self._quiet_frames = self._draw_quiet_frames()
        if self._anomaly is None and self._quiet_frames == 0:
            self._anomaly = self._next
        if self._anomaly is None:
            self._quiet_frames -= 1
            return None
        self._times.append(at)
        return self._anomaly

    def close(self) -> None:
        """End the anomaly of the moment, if there is one."""
        if self._anomaly is not None:
            times = self._times
            self._on_past(PastAnomaly(self._anomaly, times[0], times[-1], len(times)))
        self._anomaly, self._times = None, []

    def _draw(self) -> Anomaly:
        kind = self._rng.choice(self._kinds)
        length_frames = self._rng.randint(*_SHORTEST_AND_LONGEST_FRAMES[kind])
        return Anomaly(kind, round(self._rng.uniform(_WEAKEST, _STRONGEST), 3), length_frames)

    def _draw_quiet_frames(self) -> int:
        if self._share <= 0 or self._share >= 1:
            return 0
        mean_frames = self._next.length_frames * (1 - self._share) / self._share
        return round(self._rng.expovariate(1 / mean_frames))
