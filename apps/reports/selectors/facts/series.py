"""The numbers that charts of a report draw, out of kept hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.metrics.algorithms.grids import Grid
from apps.metrics.algorithms.series import Numbers
from apps.metrics.selectors import read_many

POINTS = 180
LOW, MIDDLE, HIGH = 10, 50, 90


@dataclass(frozen=True, slots=True)
class Measure:
    """One sort of quantity, and the metric that each kind of test has of it."""

    title: str | Promise
    style: str
    keys: Mapping[str, str]


LATENCY = Measure(
    _("Latency"),
    "duration",
    MappingProxyType(
        {
            "ping": "net.rtt.median",
            "udp_session": "net.rtt.median",
            "tcp": "net.rtt.tcp_connect",
            "dns": "dns.lookup.duration",
            "http": "http.client.request.duration",
            "tls": "tls.handshake.duration",
            "ntp": "ntp.rtt",
            "trace": "path.hop.rtt.median",
        }
    ),
)
LOSS = Measure(
    _("Packet loss"),
    "ratio",
    MappingProxyType(
        {
            "ping": "net.packet.loss.ratio",
            "udp_session": "net.packet.loss.ratio",
            "dns": "dns.timeout.ratio",
            "trace": "path.hop.loss.ratio",
        }
    ),
)
THROUGHPUT = Measure(
    _("Throughput"),
    "bit_rate",
    MappingProxyType(
        {
            "throughput": "net.throughput.tcp.receive",
            "http_throughput": "net.throughput.http.download",
        }
    ),
)
MEASURES: Mapping[str, Measure] = {
    "latency": LATENCY,
    "loss": LOSS,
    "throughput": THROUGHPUT,
}
RECEIVED = "system.network.io.rate{direction=receive}"
SENT = "system.network.io.rate{direction=transmit}"
HOST_MEASURES: Mapping[str, str | Promise] = {
    "system.cpu.utilization": _("Processors in use"),
    "system.memory.utilization": _("Memory in use"),
}


@dataclass(frozen=True, slots=True)
class Course:
    """A line with a band around it: Unix seconds of the buckets' begins; NaN where nothing is."""

    step_seconds: int
    at: Numbers
    low: Numbers
    middle: Numbers
    high: Numbers
    members: int

    @property
    def is_empty(self) -> bool:
        return bool(np.isnan(self.middle).all())

    @property
    def mean(self) -> float | None:
        """The mean of the line; None of an empty one."""
        return None if self.is_empty else float(np.nanmean(self.middle))


def read_grid(source_ids: Sequence[int], key: str, start: datetime, end: datetime) -> Grid:
    """`key` of the sources over at most 180 buckets."""
    return read_many(source_ids=source_ids, key=key, start=start, end=end).cut(POINTS)


def draw_many(grid: Grid) -> Course:
    """The median of the sources, inside the band that holds 80 in 100 of them.

    Of a single source: its means, inside what was the least and the most.
    """
    is_measured = ~np.isnan(grid.mean).all(axis=1)
    mean = grid.mean[is_measured]
    members = len(mean)
    if members == 1:
        row = int(np.flatnonzero(is_measured)[0])
        return Course(
            grid.step_seconds, grid.start, grid.minimum[row], mean[0], grid.maximum[row], members
        )
    low, middle, high = take_percentiles(mean)
    return Course(grid.step_seconds, grid.start, low, middle, high, members)


def draw_sum(grid: Grid) -> Course:
    """The sum over the sources, without a band."""
    has_any = ~np.isnan(grid.mean).all(axis=0)
    total = np.where(has_any, np.nansum(grid.mean, axis=0), np.nan)
    members = int((~np.isnan(grid.mean).all(axis=1)).sum())
    return Course(grid.step_seconds, grid.start, total, total, total, members)


def take_percentiles(
    table: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
) -> Sequence[Numbers]:
    """The 10th, 50th and 90th percentile of each column; NaN where a column has no value."""
    found = np.full((3, table.shape[1]), np.nan)
    has_any = ~np.isnan(table).all(axis=0) if len(table) else np.zeros(table.shape[1], dtype=bool)
    if has_any.any():
        found[:, has_any] = np.nanpercentile(table[:, has_any], [LOW, MIDDLE, HIGH], axis=0)
    return list(found)


def read_means(grid: Grid) -> list[float | None]:
    """The mean of each source over all of its buckets; None where it has none."""
    weights = grid.count.sum(axis=1)
    sums = np.nansum(np.where(grid.count > 0, grid.mean * grid.count, 0.0), axis=1)
    return [
        float(total / weight) if weight else None
        for total, weight in zip(sums, weights, strict=True)
    ]
