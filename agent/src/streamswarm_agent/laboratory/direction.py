"""One direction of the path: what becomes of each packet. Neither clock nor device is in here."""

from dataclasses import dataclass
from random import Random

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.ledger import MOST_ENTRIES, Counts, DirectionLedger, Entry
from streamswarm_agent.laboratory.packets import (
    CE,
    ECN_MASK,
    PROTOCOL_NAMES,
    Packet,
    cut,
    damage,
    may_fragment,
    refuse_too_big,
    set_traffic_class,
)

BITS_PER_BYTE = 8
FAULTS = ("drop", "duplicate", "reorder", "ce", "jitter")


@dataclass(frozen=True, slots=True)
class Routers:
    """The addresses that errors come from."""

    ipv4: str
    ipv6: str


@dataclass(frozen=True, slots=True)
class Departure:
    """What leaves at `due_at`: all pieces, as often as the entry's copies say.

    Without an entry it is an error to the sender of what arrived.
    """

    due_at: float
    number: int
    pieces: list[bytes]
    entry: Entry | None
    ledger: DirectionLedger


class Shaper:
    """A line of some rate with a queue in front, which drops what it cannot take."""

    def __init__(self, rate_bits_per_second: float, queue_bytes: int) -> None:
        self._seconds_per_byte = BITS_PER_BYTE / rate_bits_per_second
        self._queue_bytes = queue_bytes
        self._free_at = 0.0

    def take(self, size_bytes: int, now: float) -> float | None:
        """When the packet has left the line; None when the queue had no room."""
        start = max(self._free_at, now)
        waiting_bytes = (start - now) / self._seconds_per_byte
        if waiting_bytes + size_bytes > self._queue_bytes:
            return None
        self._free_at = start + size_bytes * self._seconds_per_byte
        return self._free_at


class Policer:
    """A token bucket, full at the beginning."""

    def __init__(self, rate_bits_per_second: float, burst_bytes: int) -> None:
        self._bytes_per_second = rate_bits_per_second / BITS_PER_BYTE
        self._burst_bytes = float(burst_bytes)
        self._token_bytes = self._burst_bytes
        self._filled_at: float | None = None

    def admits(self, size_bytes: int, now: float) -> bool:
        """Whether there were tokens for the packet, which then are spent."""
        elapsed = 0.0 if self._filled_at is None else now - self._filled_at
        self._filled_at = now
        filled = self._token_bytes + elapsed * self._bytes_per_second
        self._token_bytes = min(filled, self._burst_bytes)
        if self._token_bytes < size_bytes:
            return False
        self._token_bytes -= size_bytes
        return True


class Direction:
    """Decides about packets in the order of their arrival and keeps the account of it."""

    def __init__(self, routers: Routers) -> None:
        self._routers = routers
        self.open_ledger()
        self.impair(Impairment())

    def impair(self, impairment: Impairment) -> None:
        """Do this from the next packet on, which counts as the first."""
        wanted = self._wanted = impairment
        self._random = {
            fault: Random(f"{wanted.seed} {fault}")  # noqa: S311 - repeatable, not secret
            for fault in FAULTS
        }
        self._taken_count = 0
        rate, limit = wanted.rate_bits_per_second, wanted.policer_bits_per_second
        self._shaper = Shaper(rate, wanted.queue_bytes) if rate else None
        self._policer = Policer(limit, wanted.policer_burst_bytes) if limit else None

    def open_ledger(self) -> None:
        """Begin a new account; packets under way belong to none."""
        self.ledger = DirectionLedger()
        self._places: dict[bytes, int] = {}
        self._furthest: list[int] = []
        self._number = -1

    def take(self, packet: Packet, now: float) -> Departure | None:
        """What leaves because of this packet, and when; None for nothing."""
        entry, counts = self._enter(packet, now)
        wanted = self._wanted
        if wanted.only not in {"any", PROTOCOL_NAMES.get(packet.protocol)}:
            return self._depart(now, [packet.raw], entry)
        turn = self._taken_count
        self._taken_count += 1
        if 0 < wanted.mtu_bytes < len(packet.raw) and not may_fragment(packet):
            return self._refuse(packet, entry, counts, now)
        out_at = self._admit(packet, entry, counts, turn, now)
        if out_at is None:
            return None
        out_at = max(out_at + self._hold_seconds(packet, turn), now)
        return self._depart(out_at, self._change(packet, entry, counts, turn), entry)

    def note_departure(self, departure: Departure, now: float) -> None:
        """Write into the account that the first copy has left."""
        entry = departure.entry
        if entry is None or departure.ledger is not self.ledger:
            return
        entry.held_seconds = now - entry.arrived_at
        counts = self.ledger.counts_by_flow[entry.flow]
        counts.left += entry.copies
        counts.left_bytes += entry.copies * entry.size_bytes
        furthest = self._furthest[entry.flow]
        if departure.number < furthest:
            entry.is_reordered = True
            counts.reordered += 1
        self._furthest[entry.flow] = max(furthest, departure.number)

    def _enter(self, packet: Packet, now: float) -> tuple[Entry, Counts]:
        ledger = self.ledger
        self._number += 1
        key = packet.flow_key
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(ledger.flows)
            ledger.flows.append(packet.describe_flow())
            ledger.counts_by_flow.append(Counts())
            self._furthest.append(-1)
        entry = Entry(place, packet.tag, len(packet.raw), packet.traffic_class, now)
        counts = ledger.counts_by_flow[place]
        counts.arrived += 1
        counts.arrived_bytes += entry.size_bytes
        if len(ledger.entries) < MOST_ENTRIES:
            ledger.entries.append(entry)
        return entry, counts

    def _depart(self, due_at: float, pieces: list[bytes], entry: Entry | None) -> Departure:
        return Departure(due_at, self._number, pieces, entry, self.ledger)

    def _refuse(self, packet: Packet, entry: Entry, counts: Counts, now: float) -> Departure | None:
        entry.fate, entry.copies = "too_big", 0
        counts.too_big += 1
        if self._wanted.is_mtu_silent:
            return None
        router = self._routers.ipv4 if packet.is_ipv4 else self._routers.ipv6
        error = refuse_too_big(packet, self._wanted.mtu_bytes, router)
        return self._depart(now, [error], None) if error is not None else None

    def _admit(
        self, packet: Packet, entry: Entry, counts: Counts, turn: int, now: float
    ) -> float | None:
        """When the packet is through loss, policer and line; None when one of them took it."""
        size_bytes = len(packet.raw)
        if self._is_lost(turn):
            entry.fate, entry.copies = "lost", 0
            counts.lost += 1
            return None
        if self._policer is not None and not self._policer.admits(size_bytes, now):
            entry.fate, entry.copies = "policed", 0
            counts.policed += 1
            return None
        out_at = now if self._shaper is None else self._shaper.take(size_bytes, now)
        if out_at is None:
            entry.fate, entry.copies = "queue_full", 0
            counts.queue_full += 1
        return out_at

    def _is_lost(self, turn: int) -> bool:
        wanted = self._wanted
        from_end = wanted.burst_every - turn % (wanted.burst_every or 1)
        is_in_burst = 0 < from_end <= wanted.burst_length
        # The draw comes first, so that each packet takes exactly one.
        return self._is_hit("drop", wanted.drop_ratio, wanted.drop_every, turn) or is_in_burst

    def _hold_seconds(self, packet: Packet, turn: int) -> float:
        wanted = self._wanted
        seconds = wanted.delay_seconds + wanted.dscp_delay_seconds.get(packet.dscp, 0.0)
        if wanted.jitter_seconds:
            draw, width = self._random["jitter"], wanted.jitter_seconds
            is_uniform = wanted.jitter_shape == "uniform"
            seconds += draw.uniform(-width, width) if is_uniform else draw.gauss(0.0, width)
        if self._is_hit("reorder", wanted.reorder_ratio, wanted.reorder_every, turn):
            seconds += wanted.reorder_seconds
        return max(seconds, 0.0)

    def _change(self, packet: Packet, entry: Entry, counts: Counts, turn: int) -> list[bytes]:
        wanted = self._wanted
        changed = packet
        is_chosen = self._is_hit("ce", wanted.ce_ratio, wanted.ce_every, turn)
        if is_chosen and packet.is_ecn_capable:
            entry.is_marked = True
            counts.marked += 1
            changed = _reclass(changed, changed.traffic_class | CE)
        if wanted.is_dscp_bleached and packet.dscp:
            counts.bleached += 1
            changed = _reclass(changed, changed.traffic_class & ECN_MASK)
        pieces = [changed.raw]
        if 0 < wanted.mtu_bytes < len(packet.raw):
            pieces = cut(changed, wanted.mtu_bytes)
            counts.fragmented += 1
        if _is_turn(turn, wanted.corrupt_every):
            entry.is_corrupt = True
            counts.corrupted += 1
            pieces[-1] = damage(pieces[-1])
        if self._is_hit("duplicate", wanted.duplicate_ratio, wanted.duplicate_every, turn):
            entry.copies = 2
            counts.duplicated += 1
        return pieces

    def _is_hit(self, fault: str, ratio: float, every: int, turn: int) -> bool:
        is_drawn = ratio > 0 and self._random[fault].random() < ratio
        return is_drawn or _is_turn(turn, every)


def _is_turn(turn: int, every: int) -> bool:
    return bool(every) and turn % every == every - 1


def _reclass(packet: Packet, traffic_class: int) -> Packet:
    raw = set_traffic_class(packet, traffic_class)
    return Packet(raw, packet.is_ipv4, packet.header_bytes, packet.protocol, traffic_class)
