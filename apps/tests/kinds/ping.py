from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import (
    ETHERNET_BYTES,
    TCP_EXCHANGE_PACKETS,
    Load,
    describe_exchanges,
    estimate_transfer,
)
from apps.tests.kinds.base import Kind

# IPv6, the larger one, and ICMP.
HEADER_BYTES = ETHERNET_BYTES + 40 + 8


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A request and a reply each interval, or a TCP connection where ICMP is not used."""
    interval_seconds = parameters["interval_seconds"]
    if parameters["method"] == "tcp":
        _packets, size_bytes = estimate_transfer(0)
        return describe_exchanges(
            packets=TCP_EXCHANGE_PACKETS, size_bytes=size_bytes, interval_seconds=interval_seconds
        )
    size_bytes = 2 * (parameters["size_bytes"] + HEADER_BYTES)
    return describe_exchanges(packets=2, size_bytes=size_bytes, interval_seconds=interval_seconds)


PING = Kind(
    name="ping",
    headline=("net.rtt.median", "net.packet.loss.ratio", "net.jitter.rfc3550"),
    chart=("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio"),
    measure_load=measure_load,
    default_settings={"timeout_seconds": "ping_timeout_seconds"},
)
