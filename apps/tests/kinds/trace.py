from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import (
    ETHERNET_BYTES,
    SEGMENT_HEADER_BYTES,
    TCP_EXCHANGE_PACKETS,
    Load,
    describe_exchanges,
)
from apps.tests.kinds.base import Kind

# A probe over IPv6, and the error that quotes it with the extension of RFC 4884.
PROBE_BYTES = ETHERNET_BYTES + 40 + 32
ANSWER_BYTES = ETHERNET_BYTES + 40 + 8 + 128 + 32


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A probe and an answer at the bounded rate; with TCP the target's may be a connection."""
    packets, size_bytes = 2, PROBE_BYTES + ANSWER_BYTES
    if parameters["method"] == "tcp":
        packets = TCP_EXCHANGE_PACKETS
        size_bytes = packets * SEGMENT_HEADER_BYTES
    return describe_exchanges(
        packets=packets,
        size_bytes=size_bytes,
        interval_seconds=1 / parameters["packets_per_second"],
    )


TRACE = Kind(
    name="trace",
    headline=("path.hop.count", "path.hop.rtt.median", "path.ecmp.width"),
    chart=("path.hop.rtt.median", "net.rtt.gateway", "path.hop.loss.ratio", "path.hop.count"),
    measure_load=measure_load,
)
