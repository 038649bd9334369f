"""The `host` collector: processors, memory, swap, pressure, processes of the whole machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.cpu import busy_share, state_shares
from streamswarm_agent.collectors.kernel_clock import measure_clock
from streamswarm_agent.collectors.measures import (
    Measure,
    Reading,
    frame_of,
    read_if_supported,
    share_of,
)
from streamswarm_agent.kernel_clock import KernelClock, read_kernel_clock

HERTZ_PER_MEGAHERTZ = 1e6
MEMORY_STATES = ("used", "free", "cached", "buffers")
FILE_NR_FIELDS = 3
VMSTAT_COUNTERS = frozenset({"pswpin", "pswpout", "oom_kill"})


def read_cpu_frequency() -> Any:
    """As `psutil.cpu_freq`, looked up late since some platforms have none."""
    return psutil.cpu_freq()


@dataclass(frozen=True, slots=True)
class HostReaders:
    """Where the figures come from; tests pass their own."""

    cpu_times: Callable[[], Any] = psutil.cpu_times
    cpu_stats: Callable[[], Any] = psutil.cpu_stats
    cpu_frequency: Callable[[], Any] = read_cpu_frequency
    load_average: Callable[[], tuple[float, float, float]] = psutil.getloadavg
    virtual_memory: Callable[[], Any] = psutil.virtual_memory
    swap_memory: Callable[[], Any] = psutil.swap_memory
    process_ids: Callable[[], Sequence[int]] = psutil.pids
    boot_time: Callable[[], float] = psutil.boot_time
    users: Callable[[], Sequence[Any]] = psutil.users
    kernel_clock: Callable[[], KernelClock | None] = read_kernel_clock
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class HostCollector:
    """One frame of the source `host`: shares 0 to 1, bytes, seconds, rates since the last pass.

    The first pass gives I for shares and rates; what the system does not offer (pressure and paging
    rates outside Linux, for one) gives U.
    """

    name: ClassVar[str] = "host"

    def __init__(self, readers: HostReaders | None = None, proc_root: Path = Path("/proc")) -> None:
        self._readers = readers or HostReaders()
        self._proc_root = proc_root
        self._previous_times: Mapping[str, float] | None = None
        self._previous_counts: Reading | None = None

    def collect(self) -> Collection:
        """One pass over everything."""
        measures = (
            self._measure_processors()
            | self._measure_counts()
            | self._measure_memory()
            | self._measure_swap()
            | self._measure_pressure()
            | self._measure_system()
            | measure_clock(self._readers.kernel_clock())
        )
        return Collection(frames=(frame_of("host", "", measures),))

    def _measure_processors(self) -> dict[str, Measure]:
        times = self._readers.cpu_times()._asdict()
        earlier, self._previous_times = self._previous_times, times
        measures: dict[str, Measure] = {"system.cpu.utilization": busy_share(earlier, times)}
        shares = state_shares(earlier, times)
        for state, share in shares.items():
            measures[f"system.cpu.utilization{{state={state}}}"] = share
        measures["system.cpu.steal"] = shares.get("steal", "U")
        loads = read_if_supported(self._readers.load_average)
        for place, span in enumerate(("1m", "5m", "15m")):
            measures[f"system.cpu.load_average.{span}"] = loads[place] if loads else "U"
        frequency = read_if_supported(self._readers.cpu_frequency)
        measures["system.cpu.frequency"] = (
            frequency.current * HERTZ_PER_MEGAHERTZ if frequency and frequency.current else "U"
        )
        return measures

    def _measure_counts(self) -> dict[str, Measure]:
        stats = self._readers.cpu_stats()
        counters = {"switches": float(stats.ctx_switches), "interrupts": float(stats.interrupts)}
        current = Reading(self._readers.monotonic(), counters | self._read_paging())
        earlier, self._previous_counts = self._previous_counts, current
        return {
            "system.cpu.context_switches.rate": current.rate_since(earlier, "switches"),
            "system.cpu.interrupts.rate": current.rate_since(earlier, "interrupts"),
            "system.paging.operations.rate{direction=in}": current.rate_since(earlier, "pswpin"),
            "system.paging.operations.rate{direction=out}": current.rate_since(earlier, "pswpout"),
            "system.oom_kills.rate": current.rate_since(earlier, "oom_kill"),
            "system.oom_kills": current.counters.get("oom_kill", "U"),
        }

    def _read_paging(self) -> dict[str, float]:
        fields = (line.split() for line in self._read_lines("vmstat"))
        return {
            field[0]: float(field[1])
            for field in fields
            if len(field) > 1 and field[0] in VMSTAT_COUNTERS
        }

    def _measure_memory(self) -> dict[str, Measure]:
        memory = self._readers.virtual_memory()
        measures: dict[str, Measure] = {
            f"system.memory.usage{{state={state}}}": getattr(memory, state, "U")
            for state in MEMORY_STATES
        }
        measures["system.memory.available"] = memory.available
        measures["system.memory.utilization"] = (memory.total - memory.available) / memory.total
        return measures

    def _measure_swap(self) -> dict[str, Measure]:
        swap = read_if_supported(self._readers.swap_memory)
        return {
            "system.paging.usage": swap.used if swap else "U",
            "system.paging.utilization": share_of(swap.used, swap.total, "N") if swap else "U",
        }

    def _measure_pressure(self) -> dict[str, Measure]:
        return {
            f"system.{subject}.pressure": self._read_pressure(subject)
            for subject in ("cpu", "memory", "io")
        }

    def _read_pressure(self, subject: str) -> Measure:
        for line in self._read_lines(f"pressure/{subject}"):
            if line.startswith("some "):
                fields = dict(item.split("=", 1) for item in line.split()[1:])
                return float(fields["avg10"]) / 100
        return "U"

    def _measure_system(self) -> dict[str, Measure]:
        users = read_if_supported(self._readers.users)
        uptime_seconds = self._readers.wall() - self._readers.boot_time()
        return {
            "system.process.count": len(self._readers.process_ids()),
            "system.uptime": max(uptime_seconds, 0.0),
            "system.users.count": "U" if users is None else len(users),
            "system.file_descriptors.utilization": self._read_open_files(),
        }

    def _read_open_files(self) -> Measure:
        fields = " ".join(self._read_lines("sys/fs/file-nr")).split()
        if len(fields) != FILE_NR_FIELDS:
            return "U"
        allocated, free, limit = map(float, fields)
        return share_of(allocated - free, limit, "U")

    def _read_lines(self, path: str) -> list[str]:
        read = (self._proc_root / path).read_text
        return (read_if_supported(lambda: read(encoding="ascii")) or "").splitlines()
