"""The prober that all pings of the process share: one socket per IP family, however many targets.

One socket with kernel receive stamps holds a thousand targets a second at a few percent of a core,
while a socket and thread per target measures its own scheduling.
"""

import asyncio
import secrets
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

from streamswarm_agent.probes.icmp_packet import (
    COOKIE_BYTES,
    EchoError,
    EchoPayloads,
    EchoReply,
    Family,
    echo_request,
    parse_message,
    read_ttl,
)
from streamswarm_agent.probes.icmp_socket import (
    Method,
    open_icmp_socket,
    receive_errors,
    receive_packets,
    set_traffic_class,
    without_scope,
)
from streamswarm_agent.probes.icmp_time import HostClocks, Moment, time_reply

Destination = tuple[str, int] | tuple[str, int, int, int]
LATE_WINDOW_PROBES = 65_536
"""Unanswered probes remembered, the range of the sequence number; older ones stay lost."""


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """How the probes of one session look and how long they may take."""

    address: str
    size_bytes: int
    traffic_class: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class OddReplies:
    """Replies after the time-out, with a damaged payload, and to a probe already answered.

    `reordered_count`: first replies to a probe that came after one to a later probe (RFC 4737).
    """

    late_count: int
    corrupt_count: int
    duplicate_count: int
    reordered_count: int = 0


class TimeoutQueue:
    """Gives up answers that do not come in time: all that wait equally long share one timer.

    A timer for each probe would cost more than the probe: nearly all are answered and cancelled.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Future[float | None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, answer: asyncio.Future[float | None]) -> None:
        """Let the answer be None unless it is there in time."""
        self._drop_answered()
        deadline = self._loop.time() + self._timeout_seconds
        self._waiting.append((deadline, answer))
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def close(self) -> None:
        """Give up nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._drop_answered()
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _give_up(self._waiting.popleft()[1])
        self._timer = None
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._expire)

    def _drop_answered(self) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()


class _Outstanding(NamedTuple):
    sent: Moment
    answer: asyncio.Future[float | None]


class EchoSession:
    """Probes of one run to one address: `send` them, read the counts."""

    def __init__(self, channel: "EchoChannel", settings: EchoSettings) -> None:
        self.errors: Counter[str] = Counter()
        self._late_count = 0
        self._corrupt_count = 0
        self._duplicate_count = 0
        self._reordered_count = 0
        self._highest_answered = -1
        self._stamp_delays_seconds: list[float] = []
        self.received_ttl: int | None = None
        self._channel = channel
        self._settings = settings
        self._identifier = secrets.randbits(16)
        self._payloads = EchoPayloads.of_size(
            secrets.token_bytes(COOKIE_BYTES), settings.size_bytes
        )
        self._destination = _numeric_destination(settings.address)
        self._sent_count = 0
        self._outstanding: dict[int, _Outstanding] = {}

    @property
    def method(self) -> Method:
        """The kind of socket in use."""
        return self._channel.method

    @property
    def odd_replies(self) -> OddReplies:
        """Replies so far that answered no probe in time."""
        return OddReplies(
            self._late_count, self._corrupt_count, self._duplicate_count, self._reordered_count
        )

    @property
    def stamp_delays_seconds(self) -> Sequence[float]:
        """How much later than the kernel the program saw each reply that the kernel stamped."""
        return self._stamp_delays_seconds

    @property
    def route(self) -> str:
        """The address that replies come from."""
        return without_scope(self._destination[0])

    def send(self) -> asyncio.Future[float | None]:
        """Send the next probe now; the round trip in seconds once its reply is in.

        None when there was no reply in time, or the host could not send it (`errors` tells why).
        """
        index = self._sent_count
        self._sent_count += 1
        packet = echo_request(
            self._channel.family, self._identifier, index & 0xFFFF, self._payloads.payload(index)
        )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float | None] = loop.create_future()
        try:
            sent = self._channel.send(packet, self._destination, self._settings.traffic_class)
        except OSError as error:
            self.errors[_describe(error)] += 1
            answer.set_result(None)
            return answer
        self._channel.give_up_after(self._settings.timeout_seconds, answer)
        self._outstanding[index] = _Outstanding(sent, answer)
        if len(self._outstanding) > LATE_WINDOW_PROBES:
            del self._outstanding[next(iter(self._outstanding))]
        return answer

    def take_reply(
        self,
        reply: EchoReply,
        seen: Moment,
        kernel_nanoseconds: int | None,
        *,
        ttl: int | None = None,
    ) -> bool:
        """Whether the reply answers a probe of this session; if so, it is counted.

        A damaged reply counts as corrupt and its probe stays unanswered (RFC 2680).
        """
        index = self._payloads.index_of(reply.payload, reply.sequence, self._sent_count)
        if index is None:
            return False
        if not reply.is_intact or reply.payload != self._payloads.payload(index):
            self._corrupt_count += 1
            return True
        outstanding = self._outstanding.pop(index, None)
        if outstanding is None:
            self._duplicate_count += 1
            return True
        if index < self._highest_answered:
            self._reordered_count += 1
        else:
            self._highest_answered = index
        self.received_ttl = ttl
        seconds, delay_seconds = time_reply(outstanding.sent, seen, kernel_nanoseconds)
        if delay_seconds is not None:
            self._stamp_delays_seconds.append(delay_seconds)
        if seconds <= self._settings.timeout_seconds and not outstanding.answer.done():
            outstanding.answer.set_result(seconds)
        else:
            self._late_count += 1
            _give_up(outstanding.answer)
        return True

    def take_error(self, error: EchoError) -> None:
        """Count the error if it is about a probe of this session."""
        is_ours = self.method == "icmp_datagram" or error.identifier == self._identifier
        if is_ours and error.sequence < self._sent_count:
            self.errors[error.text] += 1


class EchoChannel:
    """One open ICMP socket and the sessions that use it, by the address they probe."""

    def __init__(
        self, family: Family, method: Method, opened: socket.socket, clocks: HostClocks
    ) -> None:
        self.family = family
        self.method = method
        self._socket = opened
        self._clocks = clocks
        self._traffic_class = 0
        self._sessions: dict[str, list[EchoSession]] = {}
        self._timeouts: dict[float, TimeoutQueue] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._receive)

    @property
    def is_idle(self) -> bool:
        """Whether no session is left."""
        return not self._sessions

    @contextmanager
    def deliver_to(self, session: EchoSession) -> Iterator[None]:
        """Hand what comes from the session's address to it, until the block ends."""
        neighbours = self._sessions.setdefault(session.route, [])
        neighbours.append(session)
        try:
            yield
        finally:
            neighbours.remove(session)
            if not neighbours:
                del self._sessions[session.route]

    def send(self, packet: bytes, destination: Destination, traffic_class: int) -> Moment:
        """Send the packet; the moment just before the kernel took it. Raises: OSError."""
        if traffic_class != self._traffic_class:
            set_traffic_class(self._socket, traffic_class)
            self._traffic_class = traffic_class
        monotonic_nanoseconds = self._clocks.monotonic()
        # The very last thing before: whatever comes between would count as round trip.
        wall_nanoseconds = self._clocks.wall()
        self._socket.sendto(packet, destination)
        return Moment(wall_nanoseconds, monotonic_nanoseconds)

    def give_up_after(self, timeout_seconds: float, answer: asyncio.Future[float | None]) -> None:
        """Let the answer be None when it is not there in time."""
        queue = self._timeouts.get(timeout_seconds)
        if queue is None:
            queue = self._timeouts[timeout_seconds] = TimeoutQueue(timeout_seconds)
        queue.add(answer)

    def close(self) -> None:
        """Give the socket back."""
        for queue in self._timeouts.values():
            queue.close()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        for received in receive_packets(self._socket):
            seen = self._clocks.read()
            message = parse_message(self.family, received.packet)
            if isinstance(message, EchoError):
                self._deliver_error(message)
            elif message is not None:
                stamp = received.kernel_nanoseconds
                ttl = read_ttl(received.packet) if received.ttl is None else received.ttl
                for session in self._sessions.get(received.source, ()):
                    if session.take_reply(message, seen, stamp, ttl=ttl):
                        break
        if self.method == "icmp_datagram":
            for error in receive_errors(self._socket, self.family):
                self._deliver_error(error)

    def _deliver_error(self, error: EchoError) -> None:
        for session in self._sessions.get(error.destination, ()):
            session.take_error(error)


class EchoEngine:
    """Opens sessions; each socket opens with its first session and closes with its last."""

    def __init__(
        self,
        open_socket: Callable[[Family, Method], socket.socket] = open_icmp_socket,
        clocks: HostClocks | None = None,
    ) -> None:
        self._open_socket = open_socket
        self._clocks = clocks or HostClocks()
        self._channels: dict[tuple[Family, Method], EchoChannel] = {}

    @contextmanager
    def session(self, settings: EchoSettings, method: Method) -> Iterator[EchoSession]:
        """A session until the block ends.

        Raises: OSError when such a socket may not be opened here, NotImplementedError when the
        event loop cannot watch one.
        """
        family: Family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        channel = self._channels.get((family, method)) or self._open(family, method)
        try:
            session = EchoSession(channel, settings)
            with channel.deliver_to(session):
                yield session
        finally:
            if channel.is_idle:
                del self._channels[family, method]
                channel.close()

    def _open(self, family: Family, method: Method) -> EchoChannel:
        opened = self._open_socket(family, method)
        try:
            channel = EchoChannel(family, method, opened, self._clocks)
        except NotImplementedError:
            opened.close()
            raise
        self._channels[family, method] = channel
        return channel


def _numeric_destination(address: str) -> Destination:
    if ":" not in address:
        socket.inet_pton(socket.AF_INET, address)
        return address, 0
    resolved = socket.getaddrinfo(address, 0, flags=socket.AI_NUMERICHOST)
    return cast("Destination", resolved[0][4])


def _give_up(answer: asyncio.Future[float | None]) -> None:
    if not answer.done():
        answer.set_result(None)


def _describe(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
