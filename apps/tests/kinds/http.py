from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind

# The request, the answer's head and a TLS handshake with its certificates.
OVERHEAD_BYTES = 10_000


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A body as long as the test allows each interval; redirects answer without a body."""
    body_bytes = 0 if parameters["method"] == "HEAD" else parameters["max_body_bytes"]
    packets, size_bytes = estimate_transfer(body_bytes + OVERHEAD_BYTES)
    return describe_exchanges(
        packets=packets, size_bytes=size_bytes, interval_seconds=parameters["interval_seconds"]
    )


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
)
