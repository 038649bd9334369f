"""The `disk` collector: what each block device reads, writes, and how long that takes."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.measures import Measure, Reading, frame_of

MAX_DISKS = 64
IMAGINARY = ("loop", "ram", "zram", "fd", "sr")
DIRECTIONS = ("read", "write")
COUNTERS = ("read_bytes", "write_bytes", "read_count", "write_count")
MILLISECOND_COUNTERS = ("read_time", "write_time", "busy_time")


class DiskCollector:
    """One frame for each whole device: bytes and operations a second, seconds an operation.

    On Linux partitions, loop, RAM and optical devices are left out. The first pass and a counter
    that went back give I; a latency without any operation is N; what the system does not count
    (busy time outside Linux) is U.
    """

    name: ClassVar[str] = "disk"

    def __init__(
        self,
        read_counters: Callable[[], Mapping[str, Any] | None] = lambda: psutil.disk_io_counters(
            perdisk=True, nowrap=False
        ),
        sys_root: Path = Path("/sys"),
        monotonic: Callable[[], float] = time.monotonic,
        platform: str = sys.platform,
    ) -> None:
        self._read_counters = read_counters
        self._sys_root = sys_root
        self._monotonic = monotonic
        self._platform = platform
        self._previous: dict[str, Reading] = {}

    def collect(self) -> Collection:
        """One pass over all devices."""
        at_seconds = self._monotonic()
        counters = self._read_counters() or {}
        devices = sorted(filter(self._is_whole_device, counters))[:MAX_DISKS]
        current = {device: _reading_of(at_seconds, counters[device]) for device in devices}
        frames = tuple(
            frame_of("disk", device, _measure(reading, self._previous.get(device)))
            for device, reading in current.items()
        )
        self._previous = current
        return Collection(frames)

    def _is_whole_device(self, device: str) -> bool:
        if self._platform != "linux":
            return True
        is_device = (self._sys_root / "block" / device.replace("/", "!")).exists()
        return is_device and not device.startswith(IMAGINARY)


def _reading_of(at_seconds: float, counters: Any) -> Reading:
    values = {name: float(getattr(counters, name)) for name in COUNTERS if hasattr(counters, name)}
    for name in MILLISECOND_COUNTERS:
        if hasattr(counters, name):
            values[name] = getattr(counters, name) / 1000
    return Reading(at_seconds, values)


def _measure(current: Reading, earlier: Reading | None) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for direction in DIRECTIONS:
        attribute = f"{{direction={direction}}}"
        measures |= {
            f"system.disk.io.rate{attribute}": current.rate_since(earlier, f"{direction}_bytes"),
            f"system.disk.operations.rate{attribute}": current.rate_since(
                earlier, f"{direction}_count"
            ),
            f"system.disk.io{attribute}": current.counters.get(f"{direction}_bytes", "U"),
            f"system.disk.operations{attribute}": current.counters.get(f"{direction}_count", "U"),
            f"system.disk.operation.latency{attribute}": _latency(current, earlier, direction),
        }
    busy = current.rate_since(earlier, "busy_time")
    measures["system.disk.utilization"] = busy if isinstance(busy, str) else min(busy, 1.0)
    return measures


def _latency(current: Reading, earlier: Reading | None, direction: str) -> Measure:
    if f"{direction}_time" not in current.counters:
        return "U"
    operation_count = current.increase_since(earlier, f"{direction}_count")
    spent_seconds = current.increase_since(earlier, f"{direction}_time")
    if operation_count is None or spent_seconds is None:
        return "I"
    return spent_seconds / operation_count if operation_count else "N"
