"""Whether a path polices or shapes, at what rate and with what burst: pure functions.

A policer is a bucket of tokens: after a burst it throws away what exceeds its rate, and delays
nothing. A shaper queues it: delay rises first, and only a full queue throws packets away. The rates
do not depend on how evenly the packets were sent, and where the verdict could, it is "unclear".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from streamswarm_agent.probes.statistics import percentile

Verdict = Literal["none", "policer", "shaper", "unclear"]
PACKETS_NEED = 50
LEAST_LOSS_RATIO = 0.03
LEAST_DELAY_SECONDS = 0.005
DELAY_PACKETS = 3
"""A queue has grown when packets wait for at least so many others."""
UNEVENNESS_PACKETS = 8
UNEVENNESS_SECONDS = 0.015
LONGEST_GAP_SECONDS, LONGEST_GAPS = 0.01, 3
HIGH_SHARE = 0.6
QUEUED_SHARE = 0.3
PART_PACKETS = 20
LEAST_BURST_PACKETS = 1.5
"""No bucket in use is smaller: one that seems so was emptied by something else."""


@dataclass(frozen=True, slots=True)
class SweptPacket:
    """A packet of a sweep; its moments are seconds of the clocks at either end."""

    sent_seconds: float
    size_bytes: int
    has_arrived: bool
    reached_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The time from a loss to the next, and what passed in it."""

    passed_bytes: int
    seconds: float


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
        verdict, rate, burst = _judge_losses(packets, threshold)
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


def find_delay_at_losses(packets: Sequence[SweptPacket]) -> float | None:
    """Seconds that the last packet before a loss took more than the fastest, in the median.

    A queue that throws packets away is full then, however rarely it was; a policer has none.
    """
    delays: list[float] = []
    at_losses: list[float] = []
    before = None
    for packet in packets:
        if packet.reached_seconds is not None:
            before = packet.reached_seconds - packet.sent_seconds
            delays.append(before)
        elif not packet.has_arrived and before is not None:
            at_losses.append(before)
            before = None
    return percentile(at_losses, 0.5) - min(delays) if at_losses else None


def find_policed_rate(packets: Sequence[SweptPacket]) -> float | None:
    """Bits a second that passed between losses.

    At a loss the bucket is empty to within a packet, so what passed between two of them is what
    flowed into it. Spans with a pause of the sender are left out: the bucket may have run over.
    """
    spans = list_spans(packets)
    seconds = sum(span.seconds for span in spans)
    return sum(span.passed_bytes for span in spans) * 8 / seconds if seconds > 0 else None


def list_spans(packets: Sequence[SweptPacket]) -> list[Span]:
    """What passed from each loss to the next, where packets followed each other without a pause."""
    even_gap = (packets[-1].sent_seconds - packets[0].sent_seconds) / len(packets)
    longest_gap = max(LONGEST_GAP_SECONDS, LONGEST_GAPS * even_gap)
    spans = []
    start, passed, is_whole = None, 0, True
    for earlier, packet in pairwise(packets):
        gap = packet.sent_seconds - earlier.sent_seconds
        is_whole = is_whole and gap <= longest_gap
        if packet.has_arrived:
            passed += packet.size_bytes
            continue
        if start is not None and is_whole:
            spans.append(Span(passed, packet.sent_seconds - start))
        start, passed, is_whole = packet.sent_seconds, 0, True
    return spans


def find_burst(packets: Sequence[SweptPacket], rate: float) -> float:
    """Bytes that the bucket held at first: what passed before a loss, less the inflow.

    With an even offered rate R it is x (1 - r / R) for x bytes before the first loss. The greatest
    of all losses counts: one that the policer did not make comes too early and makes it smaller.
    A pause of the sender, in which the bucket runs over, makes it smaller too: so what passed on
    end between two losses counts as well, from whatever moment most of it did.
    """
    start, passed, greatest = packets[0].sent_seconds, 0, 0.0
    taken, taken_at = 0.0, start
    for packet in packets:
        inflow = rate / 8 * (packet.sent_seconds - taken_at)
        taken, taken_at = max(taken - inflow, 0.0), packet.sent_seconds
        if packet.has_arrived:
            passed += packet.size_bytes
            taken += packet.size_bytes
            greatest = max(greatest, taken)
        else:
            whole_inflow = rate / 8 * (packet.sent_seconds - start)
            greatest = max(greatest, passed - whole_inflow)
            taken = 0.0
    return greatest


def find_shaped_rate(packets: Sequence[SweptPacket]) -> float | None:
    """Bits a second at which packets left a queue that was not empty: the median of its parts.

    A stop of either host makes one part slow and perhaps the next one fast, not their median.
    """
    seen = sorted(
        (packet.reached_seconds, packet.reached_seconds - packet.sent_seconds, packet.size_bytes)
        for packet in packets
        if packet.reached_seconds is not None
    )
    delays = [delay for _, delay, _ in seen]
    limit = min(delays) + QUEUED_SHARE * (percentile(delays, HIGH_SHARE) - min(delays))
    rates = []
    for first in range(0, len(seen) - PART_PACKETS, PART_PACKETS):
        part = seen[first : first + PART_PACKETS + 1]
        seconds = part[-1][0] - part[0][0]
        if seconds > 0 and all(delay >= limit for _, delay, _ in part):
            rates.append(sum(size for _, _, size in part[1:]) * 8 / seconds)
    return percentile(rates, 0.5) if rates else None


def _judge_losses(
    packets: Sequence[SweptPacket], threshold_seconds: float
) -> tuple[Verdict, float | None, float | None]:
    """Whether a policer made the losses, with its rate and burst; unclear when it need not have."""
    rate = find_policed_rate(packets)
    delay = find_delay_at_losses(packets)
    if not rate or not _is_even(packets, rate) or (delay or 0.0) > threshold_seconds:
        return "unclear", None, None
    burst = find_burst(packets, rate)
    if burst < LEAST_BURST_PACKETS * packets[0].size_bytes:
        return "unclear", None, None
    return "policer", rate, burst


def _is_even(packets: Sequence[SweptPacket], rate: float) -> bool:
    """Whether what passed keeps to the rate at every loss, as it does with an empty bucket."""
    size = packets[0].size_bytes
    allowed = max(UNEVENNESS_PACKETS * size, UNEVENNESS_SECONDS * rate / 8)
    spans = list_spans(packets)
    offs = accumulate(span.passed_bytes - span.seconds * rate / 8 for span in spans)
    return percentile([abs(off) for off in offs], 0.9) <= allowed
