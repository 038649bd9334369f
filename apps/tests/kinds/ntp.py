from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import ETHERNET_BYTES, Load, describe_exchanges
from apps.tests.kinds.base import Kind

# Question and answer have 48 bytes each behind the headers of IPv6 and UDP.
PACKET_BYTES = ETHERNET_BYTES + 40 + 8 + 48


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A question and its answer each interval."""
    return describe_exchanges(
        packets=2,
        size_bytes=2 * PACKET_BYTES,
        interval_seconds=parameters["interval_seconds"],
    )


NTP = Kind(
    name="ntp",
    headline=("ntp.offset", "ntp.rtt", "net.availability.ratio"),
    chart=("ntp.offset", "ntp.rtt", "net.availability.ratio"),
    measure_load=measure_load,
)
