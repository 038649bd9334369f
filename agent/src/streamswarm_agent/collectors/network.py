"""The `network` collector: what the kernel's network stack counts for the whole host."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from streamswarm_agent.collectors.base import Collection
from streamswarm_agent.collectors.measures import (
    Measure,
    Reading,
    frame_of,
    read_if_supported,
    share_of,
)
from streamswarm_agent.collectors.neighbours import count_failed_neighbours

UDP_ERRORS = "Udp RcvbufErrors"
# A rate and the counters of /proc/net/snmp or netstat that it adds up.
RATES: Mapping[str, tuple[str, ...]] = {
    "net.tcp.host.retransmit.rate": ("Tcp RetransSegs",),
    "net.tcp.host.timeouts.rate": ("TcpExt TCPTimeouts",),
    "net.tcp.host.listen_drops.rate": ("TcpExt ListenDrops",),
    "net.tcp.host.spurious_rto.rate": ("TcpExt TCPSpuriousRTOs",),
    "net.tcp.host.resets.rate": ("Tcp OutRsts", "Tcp EstabResets"),
    "system.network.udp.rcvbuf_errors.rate": (UDP_ERRORS,),
}
SOFTNET_COLUMNS = {"system.network.softnet.dropped": 1, "system.network.softnet.squeezed": 2}
ARP_FLAGS_COLUMN = 2
ARP_INCOMPLETE = "0x0"


class NetworkCollector:
    """One frame of the source `network`: TCP and UDP trouble a second, sockets, queues, neighbours.

    Rates are I on the first pass and after a reset; what this kernel does not show is U, as is
    everything outside Linux. IPv4 and IPv6 are counted together; where rtnetlink does not answer,
    neighbours are those of IPv4.
    """

    name: ClassVar[str] = "network"

    def __init__(
        self,
        proc_root: Path = Path("/proc"),
        monotonic: Callable[[], float] = time.monotonic,
        count_neighbours: Callable[[], int] = count_failed_neighbours,
    ) -> None:
        self._count_neighbours = count_neighbours
        self._proc_root = proc_root
        self._monotonic = monotonic
        self._previous: Reading | None = None

    def collect(self) -> Collection:
        """One pass over a handful of small files, whose size does not grow with the sockets."""
        counters = {**self._read_table("net/snmp"), **self._read_table("net/netstat")}
        if UDP_ERRORS in counters:
            counters[UDP_ERRORS] += self._read_udp6_errors()
        measures = (
            self._measure_rates(counters)
            | self._measure_sockets(counters.get("Tcp CurrEstab"))
            | self._measure_softnet()
            | {
                "system.network.conntrack.utilization": self._measure_tracking(),
                "system.network.neighbour.failed": self._count_failed_neighbours(),
            }
        )
        return Collection(frames=(frame_of("network", "", measures),))

    def _measure_rates(self, counters: Mapping[str, float]) -> dict[str, Measure]:
        sums = {
            name: sum(counters[part] for part in parts)
            for name, parts in RATES.items()
            if all(part in counters for part in parts)
        }
        current = Reading(self._monotonic(), sums)
        earlier, self._previous = self._previous, current
        return {name: current.rate_since(earlier, name) for name in RATES}

    def _measure_sockets(self, established: float | None) -> dict[str, Measure]:
        known = {**self._read_sockets("net/sockstat"), **self._read_sockets("net/sockstat6")}
        waiting = known.get("TCP tw")
        open_sockets = known.get("TCP inuse")
        total: Measure = "U"
        if waiting is not None and open_sockets is not None:
            total = open_sockets + known.get("TCP6 inuse", 0.0) + waiting
        name = "system.network.connection.count"
        return {
            "net.tcp.host.established": "U" if established is None else established,
            name: total,
            f"{name}{{state=established}}": "U" if established is None else established,
            f"{name}{{state=time_wait}}": "U" if waiting is None else waiting,
            f"{name}{{state=orphan}}": known.get("TCP orphan", "U"),
        }

    def _measure_softnet(self) -> dict[str, Measure]:
        """The sums over all processors; the kernel writes hexadecimal, a line a processor."""
        rows = [line.split() for line in self._read_lines("net/softnet_stat")]
        if not rows:
            return dict.fromkeys(SOFTNET_COLUMNS, "U")
        return {
            name: float(sum(int(row[column], 16) for row in rows))
            for name, column in SOFTNET_COLUMNS.items()
        }

    def _measure_tracking(self) -> Measure:
        tracked, most = (
            "".join(self._read_lines(f"sys/net/netfilter/nf_conntrack_{part}"))
            for part in ("count", "max")
        )
        if not (tracked.isdecimal() and most.isdecimal()):
            return "U"
        return share_of(float(tracked), float(most), "U")

    def _count_failed_neighbours(self) -> Measure:
        count = read_if_supported(self._count_neighbours)
        if count is not None:
            return count
        rows = [line.split() for line in self._read_lines("net/arp")]
        if not rows:
            return "U"
        return float(
            sum(
                len(row) > ARP_FLAGS_COLUMN and row[ARP_FLAGS_COLUMN] == ARP_INCOMPLETE
                for row in rows
            )
        )

    def _read_table(self, path: str) -> dict[str, float]:
        """Counters such as `Tcp RetransSegs`; each two lines are the names and their values."""
        lines = self._read_lines(path)
        counters: dict[str, float] = {}
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            protocol, _, rest = names.partition(":")
            pairs = zip(rest.split(), values.partition(":")[2].split(), strict=False)
            counters |= {f"{protocol} {name}": float(value) for name, value in pairs}
        return counters

    def _read_udp6_errors(self) -> float:
        """TCP is counted for both families at once, UDP is not."""
        fields = (line.split() for line in self._read_lines("net/snmp6"))
        return sum(float(row[1]) for row in fields if row[:1] == ["Udp6RcvbufErrors"])

    def _read_sockets(self, path: str) -> dict[str, float]:
        """Numbers such as `TCP inuse`; a line is a protocol with names and values in turn."""
        sockets: dict[str, float] = {}
        for line in self._read_lines(path):
            protocol, _, rest = line.partition(":")
            words = rest.split()
            pairs = zip(words[::2], words[1::2], strict=False)
            sockets |= {f"{protocol} {name}": float(value) for name, value in pairs}
        return sockets

    def _read_lines(self, path: str) -> list[str]:
        read = (self._proc_root / path).read_text
        return (read_if_supported(lambda: read(encoding="ascii")) or "").splitlines()
