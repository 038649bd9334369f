from collections.abc import Mapping
from typing import Any

from apps.tests.algorithms.load import (
    BITS_PER_BYTE,
    BITS_PER_MEGABIT,
    ETHERNET_BYTES,
    SEGMENT_BYTES,
    SEGMENT_HEADER_BYTES,
    Load,
)
from apps.tests.kinds.base import Kind

# Ethernet, IPv6, the larger one, and UDP.
DATAGRAM_HEADER_BYTES = ETHERNET_BYTES + 40 + 8
UDP_MEGABITS = 10
"""The rate of UDP where a test names none."""
UNLIMITED_MEGABITS = 1000
"""What a test without a limit of its own is counted as: it takes all that the path has."""


def measure_load(parameters: Mapping[str, Any]) -> Load:
    """Full segments at the wanted rate, and an acknowledgement for two of them; UDP has none."""
    if parameters["protocol"] == "udp":
        payload_bits = (parameters["rate_megabits"] or UDP_MEGABITS) * BITS_PER_MEGABIT
        packets = payload_bits / (parameters["packet_bytes"] * BITS_PER_BYTE)
        return Load(packets, payload_bits + packets * DATAGRAM_HEADER_BYTES * BITS_PER_BYTE)
    payload_bits = (parameters["rate_megabits"] or UNLIMITED_MEGABITS) * BITS_PER_MEGABIT
    segments = payload_bits / (SEGMENT_BYTES * BITS_PER_BYTE)
    header_bits = 1.5 * SEGMENT_HEADER_BYTES * BITS_PER_BYTE
    return Load(1.5 * segments, payload_bits + segments * header_bits)


THROUGHPUT = Kind(
    name="throughput",
    headline=(
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.bufferbloat.delta",
    ),
    chart=(
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.throughput.udp.receive{direction=reverse}",
        "net.tcp.rtt.smoothed",
    ),
    measure_load=measure_load,
)
