from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind

# A question and the largest answer that resolvers send by UDP (DNS flag day 2020).
MESSAGE_BYTES = 1232 + 300
# Both hellos, certificates and tickets of TLS.
HANDSHAKE_BYTES = 10_000


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A question and its answer each interval; the few asked once a run weigh no more."""
    packets, size_bytes = 2, MESSAGE_BYTES
    if parameters["transport"] == "tcp":
        packets, size_bytes = estimate_transfer(MESSAGE_BYTES)
    elif parameters["transport"] != "udp":
        packets, size_bytes = estimate_transfer(MESSAGE_BYTES + HANDSHAKE_BYTES)
    return describe_exchanges(
        packets=packets, size_bytes=size_bytes, interval_seconds=parameters["interval_seconds"]
    )


DNS = Kind(
    name="dns",
    headline=("dns.lookup.duration", "net.availability.ratio"),
    chart=(
        "dns.lookup.duration",
        "dns.lookup.duration.cold",
        "dns.lookup.duration.warm",
        "dns.timeout.ratio",
    ),
    measure_load=measure_load,
)
