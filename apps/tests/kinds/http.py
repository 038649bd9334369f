from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind

# The request, the answer's head and a TLS handshake with its certificates.
OVERHEAD_BYTES = 10_000
# Cold, warm, past the caches, and with the validator of the answer before.
CACHE_REQUESTS = 4


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A body as long as the test allows each interval; redirects answer without a body."""
    packets, size_bytes = weigh_request(parameters)
    return describe_exchanges(
        packets=packets, size_bytes=size_bytes, interval_seconds=parameters["interval_seconds"]
    )


def measure_extras(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Packets and bytes of what is asked once: caches tried, and the origin compared with."""
    count = CACHE_REQUESTS if parameters["is_cache_measured"] else 0
    count += bool(parameters["origin_url"])
    packets, size_bytes = weigh_request(parameters)
    return count * packets, count * size_bytes


def weigh_request(parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Packets and bytes of a request and the largest answer that the test allows."""
    body_bytes = 0 if parameters["method"] == "HEAD" else parameters["max_body_bytes"]
    return estimate_transfer(body_bytes + OVERHEAD_BYTES)


HTTP = Kind(
    name="http",
    headline=("http.client.request.duration", "http.client.phase.ttfb", "http.availability.ratio"),
    chart=(
        "http.client.phase.dns",
        "http.client.phase.connect",
        "http.client.phase.tls",
        "http.client.phase.ttfb",
        "http.client.phase.transfer",
        "http.client.request.duration",
        "http.availability.ratio",
    ),
    measure_load=measure_load,
    measure_extras=measure_extras,
)
