from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import ETHERNET_BYTES, Load, describe_exchanges
from apps.tests.kinds.base import Kind

# The largest of ordinary links, of which an echo comes back whole.
LARGE_FRAME_BYTES = ETHERNET_BYTES + 1500
# Answers that come at once are what makes a search fast; those that do not come make it slow.
SHORTEST_ROUND_TRIP_SECONDS = 0.01


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """One large packet and its answer after another, as fast as a near target answers."""
    size_bytes = max(parameters["highest_bytes"] + ETHERNET_BYTES, LARGE_FRAME_BYTES)
    return describe_exchanges(
        packets=2, size_bytes=2 * size_bytes, interval_seconds=SHORTEST_ROUND_TRIP_SECONDS
    )


MTU = Kind(
    name="mtu",
    headline=("path.mtu", "path.mtu.blackhole"),
    chart=("path.mtu",),
    measure_load=measure_load,
)
