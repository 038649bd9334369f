"""Which figures of the host moved together with what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from apps.metrics.models import Frame
from apps.metrics.selectors import Series, find_source, read_range
from apps.ml.algorithms.correlation import find_movement
from apps.tests.models import Assignment

SPAN = timedelta(hours=3)
STEP_SECONDS = 60
MOST_SHIFT = 5
LEAST_COEFFICIENT = 0.6
NAMED = 8
FRAMES_READ = 1500
LEADING_KEYS = (
    "net.rtt.median",
    "net.rtt.tcp_connect",
    "http.client.request.duration",
    "dns.lookup.duration",
    "net.packet.loss.ratio",
)


@dataclass(frozen=True, slots=True)
class Moved:
    """A metric of the host; a positive lead says that it moved so many seconds before."""

    metric: str
    coefficient: float
    lead_seconds: int


def find_moved(assignment: Assignment, at: datetime) -> list[Moved]:
    """The host's metrics that followed or led the test's in the last three hours, strongest first.

    A handful of queries. Empty without enough of either.
    """
    host = find_source(assignment.client_id, "host")
    if host is None or assignment.source_id is None:
        return []
    start = at - SPAN
    leading = read_leading(assignment.source_id, start, at)
    if leading is None:
        return []
    wanted = resample(leading.at, leading.mean, start)
    found = []
    for key, (moments, values) in read_columns(host.id, start, at).items():
        movement = find_movement(wanted, resample(moments, values, start), MOST_SHIFT)
        if movement is not None and abs(movement.coefficient) >= LEAST_COEFFICIENT:
            lead = movement.shift * STEP_SECONDS
            found.append(Moved(key, round(movement.coefficient, 3), lead))
    return sorted(found, key=lambda one: -abs(one.coefficient))[:NAMED]


def read_leading(source_id: int, start: datetime, end: datetime) -> Series | None:
    """The first of the metrics that people feel which the source has."""
    for key in LEADING_KEYS:
        series = read_range(source_id=source_id, key=key, start=start, end=end)
        if series.at:
            return series
    return None


def read_columns(
    source_id: int, start: datetime, end: datetime
) -> dict[str, tuple[list[float], list[float]]]:
    """Every metric of a source's newest frames in the range, as moments and values."""
    rows = Frame.objects.filter(source_id=source_id, at__gte=start, at__lt=end)
    frames = rows.order_by("-at").values_list("at", "values", "layout__keys")[:FRAMES_READ]
    columns: dict[str, tuple[list[float], list[float]]] = {}
    for at, values, keys in frames:
        for key, value in zip(keys, values, strict=True):
            if value is not None:
                moments, numbers = columns.setdefault(key, ([], []))
                moments.append(at.timestamp())
                numbers.append(value)
    return columns


def resample(moments: Sequence[float], values: Sequence[float], start: datetime) -> "list[float]":
    """The mean of each minute from `start` on, NaN where there is none."""
    count = int(SPAN.total_seconds()) // STEP_SECONDS
    places = (np.asarray(moments) - start.timestamp()) // STEP_SECONDS
    sums, counts = np.zeros(count), np.zeros(count)
    inside = (places >= 0) & (places < count)
    np.add.at(sums, places[inside].astype(int), np.asarray(values)[inside])
    np.add.at(counts, places[inside].astype(int), 1)
    return [
        float(total / number) if number else float("nan")
        for total, number in zip(sums, counts, strict=True)
    ]
