from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind

# A question and the largest answer that resolvers send by UDP (DNS flag day 2020).
MESSAGE_BYTES = 1232 + 300
# Both hellos, certificates and tickets of TLS.
HANDSHAKE_BYTES = 10_000
# Three names that nobody can have asked for before, each asked for twice.
CACHE_QUERIES = 6
TIMED_TRANSPORTS = ("tcp", "dot", "doh")


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A question and its answer each interval."""
    packets, size_bytes = weigh_query(parameters["transport"])
    return describe_exchanges(
        packets=packets, size_bytes=size_bytes, interval_seconds=parameters["interval_seconds"]
    )


def measure_extras(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Packets and bytes of what is asked once: names cold and warm, transports, resolvers."""
    used = parameters["transport"]
    queries = [used] * sum(bool(name.strip()) for name in parameters["resolvers"].split(","))
    if parameters["is_cache_measured"]:
        queries += [used] * CACHE_QUERIES
    if parameters["is_every_transport_measured"]:
        queries += [transport for transport in TIMED_TRANSPORTS if transport != used]
    weights = [weigh_query(transport) for transport in queries]
    return sum(packets for packets, _ in weights), sum(size for _, size in weights)


def weigh_query(transport: str) -> tuple[int, int]:
    """Packets and bytes of a query and its answer."""
    if transport == "udp":
        return 2, MESSAGE_BYTES
    return estimate_transfer(MESSAGE_BYTES + (0 if transport == "tcp" else HANDSHAKE_BYTES))


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
    measure_extras=measure_extras,
)
