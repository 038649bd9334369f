"""The `cpu` collector: how busy each core is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.measures import Measure, frame_of

MAX_CORES = 256
IDLE_STATES = ("idle", "iowait")
COUNTED_ELSEWHERE = frozenset({"guest", "guest_nice"})
"""Linux counts the time of guests in `user` and `nice` as well."""


class CpuCollector:
    """`system.cpu.utilization{cpu=N}`, 0 to 1, of at most 256 cores since the previous pass.

    Waiting for I/O is idling. The first pass gives I, as does a core that was not there before.
    """

    name: ClassVar[str] = "cpu"

    def __init__(
        self,
        read_times: Callable[[], Sequence[Any]] = lambda: psutil.cpu_times(percpu=True),
    ) -> None:
        self._read_times = read_times
        self._previous: list[Mapping[str, float]] = []

    def collect(self) -> Collection:
        """One frame with all cores."""
        current = [times._asdict() for times in self._read_times()[:MAX_CORES]]
        measures: dict[str, Measure] = {}
        for number, times in enumerate(current):
            earlier = self._previous[number] if number < len(self._previous) else None
            measures[f"system.cpu.utilization{{cpu={number}}}"] = busy_share(earlier, times)
        self._previous = current
        return Collection(frames=(frame_of("cpu", "", measures),))


def busy_share(earlier: Mapping[str, float] | None, later: Mapping[str, float]) -> Measure:
    """Share of the time, 0 to 1, that was spent in any state but idle and iowait; or I."""
    shares = state_shares(earlier, later)
    if any(isinstance(share, str) for share in shares.values()):
        return "I"
    idle = sum(float(shares[state]) for state in IDLE_STATES if state in shares)
    return min(max(1.0 - idle, 0.0), 1.0)


def state_shares(
    earlier: Mapping[str, float] | None, later: Mapping[str, float]
) -> dict[str, Measure]:
    """Share of the time in each state between two readings of cumulative seconds; or I.

    A state that went back counts as 0: Linux corrects iowait downwards (proc(5)).
    """
    states = [state for state in later if state not in COUNTED_ELSEWHERE]
    if earlier is None:
        return dict.fromkeys(states, "I")
    spent = {state: max(later[state] - earlier.get(state, 0.0), 0.0) for state in states}
    total = sum(spent.values())
    return {state: spent[state] / total if total else "I" for state in states}
