"""The bridge: carries packets between two TUN devices, as two directions decide."""

import heapq
import itertools
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamswarm_agent.laboratory.direction import Departure, Direction
from streamswarm_agent.laboratory.packets import read_packet

PACKET_BYTES = 65_535
READ_BATCH = 64
"""Packets read from one device before the other has its turn and what is due leaves."""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction with the devices at its ends."""

    source: int
    destination: int
    direction: Direction


@dataclass(frozen=True, slots=True)
class _Waiting:
    way: Way
    departure: Departure


class Bridge:
    """Reads, decides, holds and writes, until the control says that it is over."""

    def __init__(self, ways: tuple[Way, Way], control: int, obey: Callable[[], bool]) -> None:
        self._ways = ways
        self._control = control
        self._obey = obey
        self._heap: list[tuple[float, int, _Waiting]] = []
        self._order = itertools.count()

    @property
    def waiting_count(self) -> int:
        """Packets on their way."""
        return len(self._heap)

    def run(self) -> None:
        """Work until `obey`, called when the control can be read, says False."""
        watched = [self._control, *(way.source for way in self._ways)]
        while True:
            wait = max(self._heap[0][0] - time.monotonic(), 0) if self._heap else None
            # select() takes microseconds where epoll takes milliseconds.
            readable, _, _ = select.select(watched, [], [], wait)
            for way in self._ways:
                if way.source in readable:
                    self._read(way)
            self._release_due()
            if self._control in readable and not self._obey():
                return

    def _read(self, way: Way) -> None:
        for _ in range(READ_BATCH):
            try:
                raw = os.read(way.source, PACKET_BYTES)
            except BlockingIOError:
                return
            now = time.monotonic()
            packet = read_packet(raw)
            departure = way.direction.take(packet, now) if packet is not None else None
            if departure is None:
                continue
            waiting = _Waiting(way, departure)
            heapq.heappush(self._heap, (departure.due_at, next(self._order), waiting))
            self._release_due()

    def _release_due(self) -> None:
        while self._heap and self._heap[0][0] <= time.monotonic():
            _, _, waiting = heapq.heappop(self._heap)
            self._release(waiting.way, waiting.departure)

    def _release(self, way: Way, departure: Departure) -> None:
        entry = departure.entry
        device = way.source if entry is None else way.destination
        # Before writing: what the kernel then does in here belongs to the other host.
        way.direction.note_departure(departure, time.monotonic())
        for _ in range(1 if entry is None else entry.copies):
            for piece in departure.pieces:
                os.write(device, piece)
