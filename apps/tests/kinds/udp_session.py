from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import ETHERNET_BYTES, Load, describe_exchanges
from apps.tests.kinds.base import Kind

# IPv6, the larger one, UDP and the session's own header with its code.
HEADER_BYTES = ETHERNET_BYTES + 40 + 8 + 112


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A packet and its answer, as long as it, each interval."""
    size_bytes = 2 * (parameters["padding_bytes"] + HEADER_BYTES)
    return describe_exchanges(
        packets=2, size_bytes=size_bytes, interval_seconds=parameters["interval_seconds"]
    )


UDP_SESSION = Kind(
    name="udp_session",
    headline=("net.rtt.median", "net.packet.loss.ratio", "net.jitter.rfc3550", "net.voip.mos"),
    chart=("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio"),
    measure_load=measure_load,
)
