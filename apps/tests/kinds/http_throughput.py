from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import (
    BITS_PER_BYTE,
    BITS_PER_MEGABIT,
    Load,
    describe_exchanges,
    estimate_transfer,
)
from apps.tests.kinds.base import Kind


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """The rate that the test may reach, for as long as it runs."""
    size_bytes = parameters["max_megabits"] * BITS_PER_MEGABIT / BITS_PER_BYTE
    packets, wire_bytes = estimate_transfer(int(size_bytes))
    return describe_exchanges(packets=packets, size_bytes=wire_bytes, interval_seconds=1)


HTTP_THROUGHPUT = Kind(
    name="http_throughput",
    headline=(
        "net.throughput.http.download",
        "net.throughput.http.upload",
        "net.bufferbloat.delta",
    ),
    chart=(
        "net.throughput.http.download",
        "net.throughput.http.upload",
        "net.latency.loaded.download",
        "net.latency.loaded.upload",
    ),
    measure_load=measure_load,
)
