from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import BITS_PER_MEGABIT, ETHERNET_BYTES, Load, describe_exchanges
from apps.tests.kinds.base import Kind

# IPv6, the larger one, UDP and the session's own header with its code.
HEADER_BYTES = ETHERNET_BYTES + 40 + 8 + 112
SWEEP_BITS = (HEADER_BYTES + 1288) * 8


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """A packet and its answer each interval; in a sweep large packets with short answers."""
    load = describe_exchanges(
        packets=2, size_bytes=2 * HEADER_BYTES, interval_seconds=parameters["interval_seconds"]
    )
    if not parameters["has_sweep"]:
        return load
    packets = parameters["sweep_megabits"] * BITS_PER_MEGABIT / SWEEP_BITS
    return load + Load(2 * packets, packets * (SWEEP_BITS + HEADER_BYTES * 8))


QOS = Kind(
    name="qos",
    headline=("qos.class.differentiation", "qos.ecn.negotiated"),
    chart=("qos.class.rtt.median", "qos.class.loss.ratio"),
    measure_load=measure_load,
)
