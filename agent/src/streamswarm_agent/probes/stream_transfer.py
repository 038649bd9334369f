"""The two ends of a transfer over several TCP connections, each in one thread of its own."""

import array
import asyncio
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from streamswarm_agent.probes.stream_curve import Curve
from streamswarm_agent.probes.tcp_info import TcpDetails, find_receive_rtt, read_tcp_details

if sys.platform != "win32":
    import fcntl
    import termios

PAYLOAD_BYTES = 1 << 17
BUFFER_BYTES = 1 << 18
TURN_SECONDS = 0.05
POINT_SECONDS = 0.001
DRAIN_SECONDS = 5.0
MICROSECONDS = 1_000_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Glance:
    """All connections of a sender at one moment: mean round trip, windows and counts together."""

    at_seconds: float
    sent_bytes: int
    rtt_seconds: float | None
    window_segments: int | None
    retransmits: int | None
    delivery_bytes_per_second: int | None


@dataclass(slots=True)
class Sent:
    """What a sender did until all of it was acknowledged, and `details` of each connection then."""

    bytes: int = 0
    seconds: float = 0.0
    glances: list[Glance] = field(default_factory=list)
    details: list[TcpDetails] = field(default_factory=list)
    is_cut_short: bool = False


@dataclass(slots=True)
class Received:
    """What came, from the first byte on: the curve starts at its moment.

    `rtt_seconds` is the receiving kernel's, of the last connection; None when it has none.
    """

    curve: list[tuple[float, int]] = field(default_factory=list)
    rtt_seconds: float | None = None

    @property
    def bytes(self) -> int:
        """All that came so far."""
        return self.curve[-1][1] if self.curve else 0

    @property
    def course(self) -> Curve:
        """The curve with its moments counted from the first byte."""
        if not self.curve:
            return []
        start = self.curve[0][0]
        return [(at - start, count) for at, count in self.curve]


class StreamSender:
    """Fills connections for some time, then waits until all of it is acknowledged."""

    def __init__(self, streams: Sequence[socket.socket], glance_seconds: float) -> None:
        self.sent = Sent()
        self._streams = streams
        self._glance_seconds = glance_seconds
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._is_stopped.set()

    def run(self, seconds: float) -> Sent:
        """Send for so long; blocks its thread. The connections stay half open: data may come."""
        payload = memoryview(os.urandom(PAYLOAD_BYTES))
        start = time.monotonic()
        next_glance = 0.0
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                stream.setblocking(False)
                selector.register(stream, selectors.EVENT_WRITE, stream)
            while (passed := time.monotonic() - start) < seconds and not self._is_stopped.is_set():
                if passed >= next_glance:
                    self._look(passed)
                    next_glance += self._glance_seconds
                wait = min(TURN_SECONDS, seconds - passed)
                ready = [key.data for key, _ in selector.select(wait)]
                if not self._fill(ready, payload):
                    self.sent.is_cut_short = True
                    break
        self._drain()
        self.sent.seconds = time.monotonic() - start
        self._look(self.sent.seconds)
        read = [read_tcp_details(stream) for stream in self._streams]
        self.sent.details = [details for details in read if details is not None]
        for stream in self._streams:
            _end_sending(stream)
        return self.sent

    def _fill(self, ready: Sequence[socket.socket], payload: memoryview) -> bool:
        """Whether all connections still take data."""
        for stream in ready:
            try:
                self.sent.bytes += stream.send(payload)
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and not self._is_stopped.is_set():
            if not any(count_unacknowledged(stream) for stream in self._streams):
                return
            self._is_stopped.wait(TURN_SECONDS / 10)

    def _look(self, at_seconds: float) -> None:
        read = [read_tcp_details(stream) for stream in self._streams]
        fields = [details.fields for details in read if details is not None]
        trips = [one["rtt"] / MICROSECONDS for one in fields if one.get("rtt")]
        rates = [one["delivery_rate"] for one in fields if "delivery_rate" in one]
        self.sent.glances.append(
            Glance(
                at_seconds=at_seconds,
                sent_bytes=self.sent.bytes,
                rtt_seconds=sum(trips) / len(trips) if trips else None,
                window_segments=sum(one["snd_cwnd"] for one in fields) if fields else None,
                retransmits=sum(one["total_retrans"] for one in fields) if fields else None,
                delivery_bytes_per_second=sum(rates) if rates else None,
            )
        )


class StreamReceiver:
    """Reads connections until their end, or until it is stopped, and notes when what came."""

    def __init__(self, streams: Sequence[socket.socket]) -> None:
        self.received = Received()
        self._streams = streams
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._is_stopped.set()

    def run(self, most_seconds: float) -> Received:
        """Read until all connections ended, at most for so long; blocks its thread."""
        buffer = bytearray(BUFFER_BYTES)
        deadline = time.monotonic() + most_seconds
        total, curve = 0, self.received.curve
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                stream.setblocking(False)
                selector.register(stream, selectors.EVENT_READ, stream)
            while selector.get_map() and time.monotonic() < deadline:
                if self._is_stopped.is_set():
                    break
                for key, _ in selector.select(TURN_SECONDS):
                    count = _read(key.data, buffer)
                    if count is None:
                        selector.unregister(key.fileobj)
                    elif count:
                        total += count
                        note_arrival(curve, time.monotonic(), total)
        self.received.rtt_seconds = find_receive_rtt(read_tcp_details(self._streams[-1]))
        return self.received


async def run_in_thread(work: Callable[[float], Result], seconds: float) -> Result:
    """`work(seconds)`, in a thread of its own: long work must not fill those that others share."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transfer")
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work, seconds)
    finally:
        executor.shutdown(wait=False)


def count_unacknowledged(stream: socket.socket) -> int:
    """Bytes that the kernel still holds because they are not acknowledged; 0 where it is silent."""
    if sys.platform == "win32":
        return 0
    left = array.array("i", [0])
    try:
        fcntl.ioctl(stream, termios.TIOCOUTQ, left)
    except OSError:
        return 0
    return left[0]


def _read(stream: socket.socket, buffer: bytearray) -> int | None:
    """How many bytes came; None at the connection's end."""
    try:
        return stream.recv_into(buffer) or None
    except BlockingIOError:
        return 0
    except OSError:
        return None


def note_arrival(curve: list[tuple[float, int]], now: float, total: int) -> None:
    """Add how much has come by now to the curve."""
    # Points that are nearly one are made one, the later, so that a fast transfer stays small.
    if len(curve) > 1 and now - curve[-2][0] < POINT_SECONDS:
        curve[-1] = (now, total)
    else:
        curve.append((now, total))


def _end_sending(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_WR)
    except OSError:
        return
