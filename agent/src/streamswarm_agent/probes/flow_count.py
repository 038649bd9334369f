"""What arrived of a steady flow of numbered packets. No sockets, no clocks."""

from dataclasses import dataclass

from streamswarm_agent.probes.stream_transfer import Received, note_arrival

JITTER_GAIN = 1 / 16
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FlowSent:
    """What the sender did; the packets of the measured time are `first` up to before `end`."""

    count: int = 0
    first: int = 0
    end: int = 0
    bytes: int = 0
    seconds: float = 0.0
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True)
class FlowReport:
    """The packets of the measured time, and the order and evenness of all that arrived.

    `dropped_count` had reached the receiving host and found its buffer full: the path is not to
    blame. `jitter_seconds` is None for fewer than two packets.
    """

    sent_count: int
    lost_count: int
    received_count: int
    duplicate_count: int
    reordered_count: int
    jitter_seconds: float | None
    dropped_count: int = 0


class FlowCounter:
    """Takes packets in the order of their arrival."""

    def __init__(self) -> None:
        self.received = Received()
        self.received_count = 0
        self.last_reached_ns = 0
        self._seen = bytearray()
        self._highest = -1
        self._duplicate_count = 0
        self._reordered_count = 0
        self._transit_ns: int | None = None
        self._jitter_ns = 0.0

    def take(self, sequence: int, *, sent_ns: int, reached_ns: int, size_bytes: int) -> None:
        """Count a packet; its moments are nanoseconds of the clocks at either end."""
        place, bit = sequence >> 3, 1 << (sequence & 7)
        if place >= len(self._seen):
            self._seen.extend(bytes(place + 1 - len(self._seen)))
        if self._seen[place] & bit:
            self._duplicate_count += 1
            return
        self._seen[place] |= bit
        self.received_count += 1
        self._reordered_count += sequence < self._highest
        self._highest = max(self._highest, sequence)
        # A clock that was set back must not make the curve run backwards.
        self.last_reached_ns = max(reached_ns, self.last_reached_ns)
        at_seconds = self.last_reached_ns / NANOSECONDS
        note_arrival(self.received.curve, at_seconds, self.received.bytes + size_bytes)
        transit_ns = reached_ns - sent_ns
        if self._transit_ns is not None:
            step_ns = abs(transit_ns - self._transit_ns)
            self._jitter_ns += JITTER_GAIN * (step_ns - self._jitter_ns)
        self._transit_ns = transit_ns

    def report(self, sent: FlowSent, dropped_count: int = 0) -> FlowReport:
        """What became of the packets that were sent.

        Source: loss by number, so that reordered packets are no losses; reordering RFC 4737
        section 3; jitter RFC 3550 section 6.4.1.
        """
        arrived = self._count_seen(sent.first, sent.end)
        wanted = max(sent.end - sent.first, 0)
        return FlowReport(
            sent_count=wanted,
            lost_count=wanted - arrived,
            received_count=self.received_count,
            duplicate_count=self._duplicate_count,
            reordered_count=self._reordered_count,
            jitter_seconds=self._jitter_ns / NANOSECONDS if self.received_count > 1 else None,
            dropped_count=dropped_count,
        )

    def _count_seen(self, first: int, end: int) -> int:
        seen = int.from_bytes(self._seen, "little")
        return (seen >> first & (1 << max(end - first, 0)) - 1).bit_count()
