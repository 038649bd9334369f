"""Flows of a trace: probes that routers cannot tell apart, so that all of them take one way.

A flow keeps the fields by which routers spread load: addresses, protocol and ports, or the type,
identifier and checksum of ICMP (Augustin et al., "Avoiding traceroute anomalies with Paris
traceroute", IMC 2006). Answers come over the error queue, which needs no privilege.
"""

import asyncio
import errno
import secrets
import socket
import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamswarm_agent.probes.error_queue import (
    PacketError,
    read_errors,
    read_received_ttl,
    with_ttl,
)
from streamswarm_agent.probes.icmp_packet import (
    IPV4_MINIMUM_BYTES,
    IPV6_HEADER_BYTES,
    Family,
)
from streamswarm_agent.probes.icmp_socket import (
    ANCILLARY_BYTES,
    PACKET_BYTES,
    RECEIVE_BATCH,
    read_kernel_stamp,
)
from streamswarm_agent.probes.icmp_time import (
    HostClocks,
    Moment,
    round_trip_seconds,
    stamp_delay_seconds,
)
from streamswarm_agent.probes.trace_answers import Answer, judge_error, read_labels

SocketFactory = Callable[[int, int, int], socket.socket]
Destination = tuple[str, int] | tuple[str, int, int, int]

MARK = struct.Struct("!8sI")
"""A UDP probe: the run's cookie and the probe's number."""
PROBE_BYTES = 32
UDP_HEADER_BYTES = 8
COOKIE_BYTES = 8
# What the kernel reports of earlier packets when the next one is sent.
OLD_NEWS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EPROTO,
                      errno.EACCES, errno.EMSGSIZE})  # fmt: skip
SEND_TRIES = 4


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Where a flow leads and how long an answer may take; `number` tells it from its fellows.

    `source_port` is the flow's port or ICMP identifier.
    """

    family: Family
    destination: Destination
    number: int
    source_port: int
    wait_seconds: float
    probe_bytes: int = PROBE_BYTES

    @property
    def target(self) -> str:
        return self.destination[0].partition("%")[0]

    @property
    def header_bytes(self) -> int:
        """The length of the IP header in front of what a router quotes."""
        return IPV4_MINIMUM_BYTES if self.family == socket.AF_INET else IPV6_HEADER_BYTES


class Flow(Protocol):
    """Sends probes of one flow; `is_serial` when it has room for one at a time only."""

    is_serial: bool
    errors: Counter[str]
    unattributed_count: int

    @property
    def number(self) -> int:
        """What tells the flow from its fellows."""

    @property
    def source_port(self) -> int:
        """Its port or ICMP identifier."""

    def ask(self, ttl: int) -> "asyncio.Future[Answer | None]":
        """Send a probe that lives for `ttl` hops now; its answer, None for none in time."""

    def close(self) -> None:
        """Give the sockets back; probes under way stay unanswered."""


@dataclass(frozen=True, slots=True)
class _Outstanding:
    sent: Moment
    packet: bytes
    answer: "asyncio.Future[Answer | None]"
    timer: asyncio.TimerHandle


class QueuedFlow(ABC):
    """A flow over one socket; subclasses say how its packets look and how to know them again."""

    is_serial = False

    def __init__(self, opened: socket.socket, settings: FlowSettings, clocks: HostClocks) -> None:
        self.number = settings.number
        self.source_port = settings.source_port
        self.errors: Counter[str] = Counter()
        self.unattributed_count = 0
        self._socket = opened
        self._settings = settings
        self._clocks = clocks
        self._cookie = secrets.token_bytes(COOKIE_BYTES)
        self._sent_count = 0
        self._outstanding: dict[int, _Outstanding] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._receive)

    def ask(self, ttl: int) -> "asyncio.Future[Answer | None]":
        """As `Flow.ask`; what the host itself refuses to send is counted in `errors`."""
        index = self._sent_count
        self._sent_count += 1
        packet = self._build(index)
        answer: asyncio.Future[Answer | None] = self._loop.create_future()
        try:
            sent = self._send(packet, ttl)
        except OSError as error:
            self.errors[(error.strerror or str(error)).lower()] += 1
            answer.set_result(None)
            return answer
        timer = self._loop.call_later(self._settings.wait_seconds, self._give_up, index)
        self._outstanding[index] = _Outstanding(sent, packet, answer, timer)
        return answer

    def close(self) -> None:
        """As `Flow.close`."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for index in list(self._outstanding):
            self._give_up(index)

    @abstractmethod
    def _build(self, index: int) -> bytes:
        """The packet of probe `index`."""

    @abstractmethod
    def _find_quoted(self, quoted: bytes) -> int | None:
        """The probe that is quoted; None for another's. Raises: ValueError when too short."""

    @abstractmethod
    def _find_answered(self, packet: bytes) -> int | None:
        """The probe that the packet answers; None for another's."""

    def _is_altered(self, _quoted: bytes, _packet: bytes) -> bool | None:
        return None

    def _send(self, packet: bytes, ttl: int) -> Moment:
        ancillary = [with_ttl(self._settings.family, ttl)]
        for tries_left in reversed(range(SEND_TRIES)):
            sent = self._clocks.read()
            try:
                self._socket.sendmsg([packet], ancillary)
            except OSError as error:
                if error.errno not in OLD_NEWS or not tries_left:
                    raise
            else:
                break
        return sent

    def _receive(self) -> None:
        for error in read_errors(self._socket):
            self._take_error(error, self._clocks.read())
        for _ in range(RECEIVE_BATCH):
            try:
                packet, ancillary, _, address = self._socket.recvmsg(PACKET_BYTES, ANCILLARY_BYTES)
            except OSError:
                return
            index = self._find_answered(packet)
            source = address[0].partition("%")[0] if address else self._settings.target
            if index is not None and index in self._outstanding:
                seen, stamp = self._clocks.read(), read_kernel_stamp(ancillary)
                sent = self._outstanding[index].sent
                answer = Answer(
                    address=source,
                    seconds=round_trip_seconds(sent, seen, stamp),
                    verdict="reached",
                    received_ttl=read_received_ttl(ancillary),
                    stamp_delay_seconds=stamp_delay_seconds(sent, seen, stamp),
                )
                self._settle(index, answer)

    def _take_error(self, error: PacketError, seen: Moment) -> None:
        judged = judge_error(self._settings.family, error, self._settings.target)
        index = self._attribute(error.quoted) if judged else None
        outstanding = self._outstanding.get(-1 if index is None else index)
        if judged is None or index is None or outstanding is None:
            return
        verdict, text = judged
        answer = Answer(
            address=error.offender,
            seconds=round_trip_seconds(outstanding.sent, seen, error.kernel_nanoseconds),
            verdict=verdict,
            text=text,
            received_ttl=error.received_ttl,
            labels=read_labels(
                error.quoted, error.extension_offset, self._settings.header_bytes + self._skipped
            ),
            is_altered=self._is_altered(error.quoted, outstanding.packet),
            stamp_delay_seconds=stamp_delay_seconds(
                outstanding.sent, seen, error.kernel_nanoseconds
            ),
        )
        self._settle(index, answer)

    _skipped = 0
    """Bytes of the quoted packet between its IP header and what the kernel shows of it."""

    def _attribute(self, quoted: bytes) -> int | None:
        """The probe an error is about; a quote that is too short can only mean a lone probe."""
        try:
            return self._find_quoted(quoted)
        except ValueError:
            if len(self._outstanding) == 1:
                return next(iter(self._outstanding))
            self.unattributed_count += 1
            return None

    def _settle(self, index: int, answer: Answer) -> None:
        outstanding = self._outstanding.pop(index)
        outstanding.timer.cancel()
        if not outstanding.answer.done():
            outstanding.answer.set_result(answer)

    def _give_up(self, index: int) -> None:
        outstanding = self._outstanding.pop(index)
        outstanding.timer.cancel()
        if not outstanding.answer.done():
            outstanding.answer.set_result(None)


class UdpFlow(QueuedFlow):
    """Datagrams of one 5-tuple, told apart by what they carry."""

    _skipped = UDP_HEADER_BYTES

    def _build(self, index: int) -> bytes:
        return MARK.pack(self._cookie, index).ljust(self._settings.probe_bytes, b"\0")

    def _find_quoted(self, quoted: bytes) -> int | None:
        if len(quoted) < MARK.size:
            raise ValueError("the router quotes too little of the packet")
        cookie, index = MARK.unpack_from(quoted)
        return index if cookie == self._cookie else None

    def _find_answered(self, packet: bytes) -> int | None:
        return self._find_quoted(packet) if len(packet) >= MARK.size else None
