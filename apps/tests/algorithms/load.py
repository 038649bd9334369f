"""What a test puts on a network: packets and bits a second, and its share of a client's time."""

import math
from dataclasses import dataclass

BITS_PER_BYTE = 8
BITS_PER_MEGABIT = 1_000_000
ETHERNET_BYTES = 14
SEGMENT_BYTES = 1448
"""Payload of a full TCP segment on Ethernet, with timestamps (RFC 6691, RFC 7323)."""
SEGMENT_HEADER_BYTES = ETHERNET_BYTES + 20 + 32
TCP_EXCHANGE_PACKETS = 7
"""Opening and closing a TCP connection: 3 segments and 4 (RFC 9293)."""


@dataclass(frozen=True, slots=True)
class Load:
    """The most that a test asks of a network while one of its runs is running, both ways."""

    packets_per_second: float = 0.0
    bits_per_second: float = 0.0

    @property
    def megabits_per_second(self) -> float:
        return self.bits_per_second / BITS_PER_MEGABIT

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.packets_per_second + other.packets_per_second,
            self.bits_per_second + other.bits_per_second,
        )

    def times(self, count: float) -> "Load":
        return Load(self.packets_per_second * count, self.bits_per_second * count)


def describe_exchanges(*, packets: float, size_bytes: float, interval_seconds: float) -> Load:
    """The load of an exchange of that many packets and bytes, again and again."""
    return Load(packets / interval_seconds, size_bytes * BITS_PER_BYTE / interval_seconds)


def estimate_transfer(body_bytes: int) -> tuple[int, int]:
    """Packets and bytes of a TCP connection that carries a body: an acknowledgement for two."""
    segments = math.ceil(body_bytes / SEGMENT_BYTES)
    packets = TCP_EXCHANGE_PACKETS + segments + math.ceil(segments / 2)
    return packets, body_bytes + packets * SEGMENT_HEADER_BYTES


def estimate_share(
    *, schedule_kind: str, duration_seconds: float, every_seconds: float | None
) -> float:
    """The share of its time, 0 to 1, that a client spends on a test.

    `every_seconds` is the time between two starts, for cron the mean one; None for a test that
    runs once, which takes no lasting share.
    """
    if schedule_kind == "continuous":
        return 1.0
    if not every_seconds:
        return 0.0
    return min(duration_seconds / every_seconds, 1.0)
