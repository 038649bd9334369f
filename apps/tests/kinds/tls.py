from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import Load, describe_exchanges, estimate_transfer
from apps.tests.kinds.base import Kind

# Both hellos, a chain of certificates and tickets; a chain that fails is fetched a second time.
HANDSHAKE_BYTES = 10_000
HANDSHAKES_AT_MOST = 2


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """Two handshakes each interval, as a chain that is not trusted takes."""
    packets, size_bytes = estimate_transfer(HANDSHAKE_BYTES)
    return describe_exchanges(
        packets=HANDSHAKES_AT_MOST * packets,
        size_bytes=HANDSHAKES_AT_MOST * size_bytes,
        interval_seconds=parameters["interval_seconds"],
    )


TLS = Kind(
    name="tls",
    headline=("tls.handshake.duration", "tls.certificate.expires_in", "net.availability.ratio"),
    chart=("tls.handshake.duration", "net.availability.ratio"),
    measure_load=measure_load,
)
