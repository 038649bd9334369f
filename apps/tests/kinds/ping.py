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
COMPARED_CONNECTIONS = 5


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A request and a reply each interval, or a TCP connection where that is the method."""
    interval_seconds = parameters["interval_seconds"]
    if parameters["method"] == "tcp":
        _packets, size_bytes = estimate_transfer(0)
        return describe_exchanges(
            packets=TCP_EXCHANGE_PACKETS, size_bytes=size_bytes, interval_seconds=interval_seconds
        )
    size_bytes = 2 * (parameters["size_bytes"] + HEADER_BYTES)
    return describe_exchanges(packets=2, size_bytes=size_bytes, interval_seconds=interval_seconds)


def measure_extras(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Packets and bytes of TCP connects to compare with; ARP never leaves the client's own link."""
    if not parameters["is_tcp_compared"]:
        return 0, 0
    _packets, size_bytes = estimate_transfer(0)
    return COMPARED_CONNECTIONS * TCP_EXCHANGE_PACKETS, COMPARED_CONNECTIONS * size_bytes


PING = Kind(
    name="ping",
    headline=("net.rtt.median", "net.packet.loss.ratio", "net.jitter.rfc3550"),
    chart=("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio"),
    measure_load=measure_load,
    measure_extras=measure_extras,
    default_settings={"timeout_seconds": "ping_timeout_seconds"},
)
