from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A connection opened and closed each interval."""
    packets, size_bytes = estimate_transfer(0)
    return describe_exchanges(
        packets=packets,
        size_bytes=size_bytes,
        interval_seconds=parameters["interval_seconds"],
    )


TCP = Kind(
    name="tcp",
    headline=("net.rtt.tcp_connect", "net.availability.ratio"),
    chart=("net.rtt.tcp_connect", "net.availability.ratio"),
    measure_load=measure_load,
)
