"""Whether a path polices or shapes, at what rate and with what burst: pure functions.

A policer is a bucket of tokens: after a burst it throws away what exceeds its rate, and delays
nothing. A shaper queues it: delay rises first, and only a full queue throws packets away. The rates
do not depend on how evenly the packets were sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streamswarm_agent.probes.statistics import percentile

Verdict = Literal["none", "policer", "shaper", "unclear"]
PACKETS_NEED = 50
LEAST_LOSS_RATIO = 0.03
LEAST_DELAY_SECONDS = 0.003
DELAY_PACKETS = 3
"""A queue has grown when packets wait for at least so many others."""
UNEVENNESS_PACKETS = 8
UNEVENNESS_SECONDS = 0.015
HIGH_SHARE = 0.6
QUEUED_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class SweptPacket:
    """A packet of a sweep; its moments are seconds of the clocks at either end."""

    sent_seconds: float
    size_bytes: int
    has_arrived: bool
    reached_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Policing:
    """What the path does to more than it likes. Rates are bits a second of IP packets.

    `rate` and `burst_bytes` are None when they are not known, as a rate is not without a limit.
    """

    verdict: Verdict
    offered: float = 0.0
    arrived: float = 0.0
    rate: float | None = None
    burst_bytes: float | None = None
    loss_ratio: float = 0.0
    added_delay_seconds: float | None = None


def find_policing(packets: Sequence[SweptPacket]) -> Policing:
    """What happened to packets sent at a steady rate, in the order of sending."""
    if len(packets) < PACKETS_NEED or not any(packet.has_arrived for packet in packets):
        return Policing("unclear")
    span = packets[-1].sent_seconds - packets[0].sent_seconds
    size = packets[0].size_bytes
    offered = sum(packet.size_bytes for packet in packets[1:]) * 8 / span
    arrived = sum(packet.size_bytes for packet in packets if packet.has_arrived) * 8 / span
    loss_ratio = 1 - sum(packet.has_arrived for packet in packets) / len(packets)
    added = find_added_delay(packets)
    verdict: Verdict = "none"
    rate = burst = None
    threshold = max(LEAST_DELAY_SECONDS, DELAY_PACKETS * size * 8 / max(arrived, 1.0))
    if added is not None and added > threshold:
        verdict, rate = "shaper", find_shaped_rate(packets)
    elif loss_ratio >= LEAST_LOSS_RATIO:
        rate = find_policed_rate(packets)
        verdict = "policer" if rate and _is_even(packets, rate) else "unclear"
        if verdict == "policer" and rate:
            burst = find_burst(packets, rate)
        else:
            rate = None
    return Policing(verdict, offered, arrived, rate, burst, loss_ratio, added)


def find_added_delay(packets: Sequence[SweptPacket]) -> float | None:
    """Seconds that a late packet of the sweep took more than the fastest one; None for too few.

    The clocks need not agree: only differences count.
    """
    delays = [
        packet.reached_seconds - packet.sent_seconds
        for packet in packets
        if packet.reached_seconds is not None
    ]
    if len(delays) < PACKETS_NEED // 2:
        return None
    return percentile(delays, HIGH_SHARE) - min(delays)


def find_policed_rate(packets: Sequence[SweptPacket]) -> float | None:
    """Bits a second that passed between the first loss and the last.

    At either the bucket was empty to within a packet, so what passed between them is what flowed
    into it.
    """
    lost = [place for place, packet in enumerate(packets) if not packet.has_arrived]
    if len(lost) < 2:  # noqa: PLR2004 - a distance has two ends
        return None
    first, last = lost[0], lost[-1]
    seconds = packets[last].sent_seconds - packets[first].sent_seconds
    passed = sum(packet.size_bytes for packet in packets[first:last] if packet.has_arrived)
    return passed * 8 / seconds if seconds > 0 else None


def find_burst(packets: Sequence[SweptPacket], rate: float) -> float:
    """Bytes that the bucket held at first: what passed before the first loss, less the inflow.

    With an even offered rate R it is x (1 - r / R) for x bytes before the first loss.
    """
    first = next(place for place, packet in enumerate(packets) if not packet.has_arrived)
    passed = sum(packet.size_bytes for packet in packets[:first])
    inflow = rate / 8 * (packets[first].sent_seconds - packets[0].sent_seconds)
    return max(passed - inflow, 0.0)


def find_shaped_rate(packets: Sequence[SweptPacket]) -> float | None:
    """Bits a second at which packets left a queue that was never empty meanwhile."""
    seen = [
        (packet.reached_seconds, packet.reached_seconds - packet.sent_seconds, packet.size_bytes)
        for packet in packets
        if packet.reached_seconds is not None
    ]
    delays = [delay for _, delay, _ in seen]
    base = min(delays)
    limit = base + QUEUED_SHARE * (percentile(delays, HIGH_SHARE) - base)
    queued = sorted(one for one in seen if one[1] >= limit)
    if len(queued) < 2 or queued[-1][0] <= queued[0][0]:  # noqa: PLR2004 - a distance has two ends
        return None
    between = [one for one in seen if queued[0][0] < one[0] <= queued[-1][0]]
    return sum(size for _, _, size in between) * 8 / (queued[-1][0] - queued[0][0])


def _is_even(packets: Sequence[SweptPacket], rate: float) -> bool:
    """Whether what passed keeps to the rate at every loss, as it does with an empty bucket."""
    lost = [place for place, packet in enumerate(packets) if not packet.has_arrived]
    start = packets[lost[0]].sent_seconds
    passed, place, offs = 0, lost[0], []
    for number in lost:
        while place < number:
            passed += packets[place].size_bytes if packets[place].has_arrived else 0
            place += 1
        offs.append(abs(passed - rate / 8 * (packets[number].sent_seconds - start)))
    allowed = max(UNEVENNESS_PACKETS * packets[0].size_bytes, UNEVENNESS_SECONDS * rate / 8)
    return percentile(offs, 0.9) <= allowed
