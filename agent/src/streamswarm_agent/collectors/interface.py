"""The `interface` collector: traffic, errors and state of each network interface."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil

from streamswarm_agent.collectors.adapters import (
    NO_QUEUE,
    OPTICAL_POWER,
    count_ring_drops,
    has_device,
    read_light,
    read_queues,
)
from streamswarm_agent.collectors.base import CollectedFact, Collection
from streamswarm_agent.collectors.commands import PacedRead, RunCommand, run_command
from streamswarm_agent.collectors.measures import (
    Measure,
    Reading,
    frame_of,
    read_if_supported,
    scaled,
)

MAX_INTERFACES = 64
NUMEROUS = ("veth", "docker", "br-", "cali", "cni", "flannel", "lxc", "vnet", "tap", "ifb", "dummy")
DIRECTIONS = {"receive": ("recv", "in"), "transmit": ("sent", "out")}
BITS_PER_MEGABIT = 1_000_000
MAX_ADAPTERS = 8
LIGHT_SECONDS = 60.0
RING_DROPPED = "system.network.nic.ring_dropped"
COUNT_FILES = {
    "system.network.carrier.changes": "carrier_changes",
    RING_DROPPED: "statistics/rx_missed_errors",
    "system.network.nic.crc_errors": "statistics/rx_crc_errors",
}
DUPLEX_NAMES = {psutil.NIC_DUPLEX_FULL: "full", psutil.NIC_DUPLEX_HALF: "half"}


def choose_interfaces(names: Iterable[str]) -> list[str]:
    """At most 64 of the names, those of containers and virtual machines last."""
    ordered = sorted(set(names), key=lambda name: (name.startswith(NUMEROUS), name))
    return ordered[:MAX_INTERFACES]


class InterfaceCollector:
    """One frame for each interface, loopback included: bits, packets, errors and drops a second.

    Their counts since the start are there as well, what the queue before each of them lost and
    holds, and for hardware what its ring lost and the light of an optical module, which is read
    once a minute at most. Fact: the duplex mode. The first pass and a counter that went back give
    I; without a nominal speed, speed and utilisation are U.
    """

    name: ClassVar[str] = "interface"

    def __init__(
        self,
        read_counters: Callable[[], Mapping[str, Any]] = lambda: psutil.net_io_counters(
            pernic=True, nowrap=False
        ),
        read_states: Callable[[], Mapping[str, Any]] = psutil.net_if_stats,
        monotonic: Callable[[], float] = time.monotonic,
        sys_root: Path = Path("/sys"),
        run: RunCommand = run_command,
    ) -> None:
        self._read_counters = read_counters
        self._read_states = read_states
        self._monotonic = monotonic
        self._sys_root = sys_root
        self._run = run
        self._previous: dict[str, Reading] = {}
        self._read_lights = PacedRead(self._collect_light, LIGHT_SECONDS, monotonic)

    def collect(self) -> Collection:
        """One pass over all interfaces."""
        at_seconds = self._monotonic()
        counters, states = self._read_counters(), self._read_states()
        names = choose_interfaces([*counters, *states])
        current = {
            name: Reading(at_seconds, counters[name]._asdict() if name in counters else {})
            for name in names
        }
        queues, lights = read_queues(self._run), self._read_lights()
        frames = tuple(
            frame_of(
                "interface",
                name,
                {
                    **_measure(reading, self._previous.get(name), states.get(name)),
                    **self._read_counts(name),
                    **_explain_duplex(states.get(name)),
                    **queues.get(name, NO_QUEUE),
                    **lights.get(name, {OPTICAL_POWER: "U"}),
                },
            )
            for name, reading in current.items()
        )
        facts = tuple(
            CollectedFact(
                "interface", name, "system.network.link.duplex", DUPLEX_NAMES[states[name].duplex]
            )
            for name in names
            if name in states and states[name].duplex in DUPLEX_NAMES
        )
        self._previous = current
        return Collection(frames, facts)

    def _read_counts(self, name: str) -> dict[str, Measure]:
        folder = self._sys_root / "class" / "net" / name
        counts = {metric: read_count(folder / file) for metric, file in COUNT_FILES.items()}
        if has_device(self._sys_root, name):
            dropped = count_ring_drops(self._run, name)
            counts[RING_DROPPED] = choose_larger(counts[RING_DROPPED], dropped)
        return counts

    def _collect_light(self) -> dict[str, dict[str, Measure]]:
        """Of the first 8 adapters: each of them may take a tenth of a second."""
        net = self._sys_root / "class" / "net"
        names = choose_interfaces(path.parent.name for path in net.glob("*/device"))
        return {name: read_light(self._run, name) for name in names[:MAX_ADAPTERS]}


def read_count(path: Path) -> Measure:
    """The whole number in a file of sysfs; U when there is none."""
    text = read_if_supported(lambda: path.read_text(encoding="ascii")) or ""
    return float(text) if text.strip().isdecimal() else "U"


def choose_larger(count: Measure, other: float | None) -> Measure:
    """The kernel's count or the driver's own, whichever knows of more."""
    if other is None:
        return count
    return other if isinstance(count, str) else max(count, other)


def _explain_duplex(state: Any | None) -> dict[str, Measure]:
    """The mode is a fact; where the driver does not say it, the reason is in the frame."""
    is_known = state is not None and state.duplex in DUPLEX_NAMES
    return {} if is_known else {"system.network.link.duplex": "U"}


def _measure(current: Reading, earlier: Reading | None, state: Any | None) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for direction, (suffix, prefix) in DIRECTIONS.items():
        attribute = f"{{direction={direction}}}"
        bytes_rate = current.rate_since(earlier, f"bytes_{suffix}")
        measures |= {
            f"system.network.io.rate{attribute}": scaled(bytes_rate, 8),
            f"system.network.packet.rate{attribute}": current.rate_since(
                earlier, f"packets_{suffix}"
            ),
            f"system.network.errors.rate{attribute}": current.rate_since(earlier, f"err{prefix}"),
            f"system.network.packet.dropped.rate{attribute}": current.rate_since(
                earlier, f"drop{prefix}"
            ),
        }
        measures |= {
            f"{name}{attribute}": current.counters.get(counter, "U")
            for name, counter in (
                ("system.network.io", f"bytes_{suffix}"),
                ("system.network.packet.count", f"packets_{suffix}"),
                ("system.network.errors", f"err{prefix}"),
                ("system.network.packet.dropped", f"drop{prefix}"),
            )
        }
    return measures | _measure_link(state, measures)


def _measure_link(state: Any | None, traffic: Mapping[str, Measure]) -> dict[str, Measure]:
    speed = state.speed * BITS_PER_MEGABIT if state and state.speed > 0 else None
    rates = [traffic[f"system.network.io.rate{{direction={name}}}"] for name in DIRECTIONS]
    known_rates = [rate for rate in rates if not isinstance(rate, str)]
    utilization: Measure = "I"
    if speed is None:
        utilization = "U"
    elif len(known_rates) == len(rates):
        utilization = max(known_rates) / speed
    return {
        "system.network.link.up": float(state.isup) if state else "U",
        "system.network.link.speed": "U" if speed is None else float(speed),
        "system.network.link.mtu": float(state.mtu) if state else "U",
        "system.network.link.utilization": utilization,
    }
