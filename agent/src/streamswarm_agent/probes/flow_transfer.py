"""The two ends of a UDP transfer, each in one thread of its own."""

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamswarm_agent.probes.datagram_socket import (
    Datagram,
    receive_datagrams,
    wait_until_writable,
)
from streamswarm_agent.probes.flow_count import FlowCounter, FlowSent
from streamswarm_agent.probes.flow_packet import (
    MOST_FLOW_PACKETS,
    build_flow_packet,
    read_flow_packet,
)
from streamswarm_agent.probes.session_packet import PACKET_BYTES
from streamswarm_agent.probes.stream_report import TransferOrder
from streamswarm_agent.probes.stream_transfer import TURN_SECONDS

LEAST_SPACING_SHARE = 0.5
BITS_PER_BYTE = 8


class Way(Protocol):
    """Where packets leave to the other end."""

    def send(self, packet: bytes) -> None:
        """Raises: BlockingIOError when the host's queue is full; OSError when nothing can leave."""

    def wait(self, seconds: float) -> None:
        """Until the queue has room, at most for so long."""


@dataclass(frozen=True, slots=True)
class SocketWay:
    """The way of a connected socket."""

    opened: socket.socket

    def send(self, packet: bytes) -> None:
        """As `Way.send`."""
        self.opened.send(packet)

    def wait(self, seconds: float) -> None:
        """As `Way.wait`."""
        wait_until_writable(self.opened, seconds)


class FlowSender:
    """Sends packets at a steady rate; a full queue of the own host makes it slower, loses none."""

    def __init__(self, way: Way, key: bytes, tag: int, order: TransferOrder) -> None:
        self.count = 0
        self._way = way
        self._key = key
        self._tag = tag
        self._order = order
        self._first: int | None = None
        self._end: int | None = None
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._is_stopped.set()

    def run(self, seconds: float) -> FlowSent:
        """Send for so long; blocks its thread.

        After a delay of this host what is due follows at twice the rate at most: no burst.
        """
        order = self._order
        spacing = order.packet_bytes * BITS_PER_BYTE / order.pacing_bits_per_second
        filler = os.urandom(order.packet_bytes - PACKET_BYTES)
        start = due = time.monotonic()
        is_whole = True
        while not self._is_stopped.is_set() and self.count < MOST_FLOW_PACKETS:
            now = time.monotonic()
            if due > now:
                self._is_stopped.wait(due - now)
                now = time.monotonic()
            if now - start >= seconds:
                break
            self._mark_window(now - start)
            is_whole = self._send(filler)
            if not is_whole:
                break
            due = max(start + self.count * spacing, now + LEAST_SPACING_SHARE * spacing)
        return self._sum_up(time.monotonic() - start, is_whole=is_whole)

    def _mark_window(self, passed_seconds: float) -> None:
        order = self._order
        if self._first is None and passed_seconds >= order.omit_seconds:
            self._first = self.count
        if self._end is None and passed_seconds >= order.omit_seconds + order.seconds:
            self._end = self.count

    def _send(self, filler: bytes) -> bool:
        """Whether the packet left: the way still takes packets."""
        while not self._is_stopped.is_set():
            packet = build_flow_packet(
                self._key, self._tag, self.count, sent_ns=time.time_ns(), filler=filler
            )
            try:
                self._way.send(packet)
            except BlockingIOError:
                self._way.wait(TURN_SECONDS)
            except OSError:
                return False
            else:
                self.count += 1
                return True
        return True

    def _sum_up(self, seconds: float, *, is_whole: bool) -> FlowSent:
        first = self.count if self._first is None else self._first
        return FlowSent(
            count=self.count,
            first=first,
            end=self.count if self._end is None else self._end,
            bytes=self.count * self._order.packet_bytes,
            seconds=seconds,
            is_cut_short=not is_whole,
        )


class FlowTaker:
    """Counts the packets of one flow out of what arrives."""

    def __init__(self, key: bytes, packet_bytes: int) -> None:
        self.counter = FlowCounter()
        self._key = key
        self._packet_bytes = packet_bytes
        self._dropped_at_first: int | None = None
        self._dropped_at_last = 0

    @property
    def dropped_count(self) -> int:
        """Datagrams for which the own host had no room meanwhile."""
        return self._dropped_at_last - (self._dropped_at_first or 0)

    def take(self, datagram: Datagram) -> None:
        """Count it if it is the flow's."""
        dropped = datagram.dropped_count or 0
        if self._dropped_at_first is None:
            self._dropped_at_first = dropped
        self._dropped_at_last = max(dropped, self._dropped_at_last)
        if len(datagram.payload) != self._packet_bytes:
            return
        packet = read_flow_packet(self._key, datagram.payload)
        if packet is None or packet.sequence >= MOST_FLOW_PACKETS:
            return
        reached_ns = time.time_ns() if datagram.kernel_ns is None else datagram.kernel_ns
        self.counter.take(
            packet.sequence,
            sent_ns=packet.sent_ns,
            reached_ns=reached_ns,
            size_bytes=len(datagram.payload),
        )


class FlowReceiver:
    """Takes packets from a socket until it is stopped."""

    def __init__(self, opened: socket.socket, taker: FlowTaker) -> None:
        self._opened = opened
        self._taker = taker
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._is_stopped.set()

    def run(self, most_seconds: float) -> None:
        """Take packets, at most for so long; blocks its thread."""
        deadline = time.monotonic() + most_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._opened, selectors.EVENT_READ)
            while not self._is_stopped.is_set() and time.monotonic() < deadline:
                if not selector.select(TURN_SECONDS):
                    continue
                take_all(self._opened, self._taker.take)


def take_all(opened: socket.socket, take: Callable[[Datagram], None]) -> None:
    """Hand on what lies in the socket; an error of it is about what was sent, and is passed by."""
    try:
        for datagram in receive_datagrams(opened):
            take(datagram)
    except OSError:
        return
