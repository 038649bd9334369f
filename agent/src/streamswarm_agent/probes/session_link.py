"""The sending end of a UDP session: its socket, what was sent, and what came back."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.datagram_socket import Datagram, open_udp_socket, receive_datagrams
from streamswarm_agent.probes.icmp import TimeoutQueue
from streamswarm_agent.probes.icmp_socket import set_traffic_class
from streamswarm_agent.probes.icmp_time import Moment, round_trip_seconds
from streamswarm_agent.probes.peer_clock import Exchange
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_packet import (
    REPORT_BYTES,
    REPORT_SEQUENCE,
    REPORTED_PACKETS,
    Reflected,
    Report,
    SessionKeys,
    build_report_request,
    build_request,
    parse_reflected,
    parse_report,
    read_sequence,
)

REPORT_ATTEMPTS = 25
REPORT_WAIT_SECONDS = 0.2
GREETING_ATTEMPTS = range(REPORT_ATTEMPTS, 2 * REPORT_ATTEMPTS)
"""Requests for a report by which the peer is found before the first packet: at most five seconds,
for a peer that begins later than this end. No answer of theirs passes for the session's report."""
NANOSECONDS = 1_000_000_000
LATEST_PACKETS = 1 << 16
"""What arrives after so many later packets were sent is no answer any more."""
TOO_LATE = "an answer came too late to count"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How the packets of a session look, and how long an answer may take."""

    padding_bytes: int
    traffic_class: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The first intact answer to a packet; those after the time-out are late.

    `arrived_ns` is our clock's; `notice_seconds` lie between the kernel's stamp and the program's
    notice, None without such stamps.
    """

    exchange: Exchange
    said: Reflected
    is_late: bool
    notice_seconds: float | None
    traffic_class: int | None
    time_to_live: int | None


@dataclass(slots=True)
class Traffic:
    """What a session's packets came to; replies are in the order of their arrival.

    The peer answers each packet once, so duplicates were made on the way back.
    """

    sent_count: int = 0
    replies: list[Reply] = field(default_factory=list)
    duplicate_count: int = 0
    corrupt_count: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def late_count(self) -> int:
        """Answers after their time-out."""
        return sum(reply.is_late for reply in self.replies)


def describe_silence(address: str, sent_count: int) -> str:
    """Why a session without an answer has none; `sent_count`: packets after the peer was found."""
    if sent_count:
        return f"no answer from {address} to {sent_count} packets"
    seconds = len(GREETING_ATTEMPTS) * REPORT_WAIT_SECONDS
    return f"no answer from {address} in {seconds:g} s, so no packets were sent"


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A packet whose answer is waited for."""

    sent: Moment
    answer: asyncio.Future[float | None]


class SessionLink:
    """Sends the packets of one run to its peer and takes what comes back."""

    def __init__(self, peer: Peer, settings: SessionSettings, clocks: SessionClocks) -> None:
        """Raises: OSError when there is no way to the peer."""
        self.traffic = Traffic()
        self._keys = SessionKeys.derive(peer.key, peer.run_id)
        self._settings = settings
        self._clocks = clocks
        self._outstanding: dict[int, Outstanding] = {}
        self._oldest_sequence = 0
        self._is_peer_proved = False
        self._reports: dict[int, Report] = {}
        self._is_reported = asyncio.Event()
        self._timeouts = TimeoutQueue(settings.timeout_seconds)
        self._loop = asyncio.get_running_loop()
        self._socket = open_udp_socket(socket.AF_INET6 if ":" in peer.address else socket.AF_INET)
        try:
            set_traffic_class(self._socket, settings.traffic_class)
            self._socket.connect((peer.address, peer.port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)
        self._estimate = clocks.read_estimate()

    def close(self) -> None:
        """Give the socket back."""
        self._timeouts.close()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def find_peer(self) -> bool:
        """Whether the peer is there and proved itself; before that no packet may be counted.

        What kept it from answering stays in `traffic.errors` when it never does.
        """
        if await self._ask(0, GREETING_ATTEMPTS, lambda: self._is_peer_proved):
            self.traffic.errors.clear()
        return self._is_peer_proved

    def send(self) -> asyncio.Future[float | None]:
        """Send the next packet now; the round trip in seconds once its answer is in.

        The peer's handling is taken off. None when there was no answer in time, or the host could
        not send (`traffic.errors` tells why).
        """
        sequence = self.traffic.sent_count
        self.traffic.sent_count += 1
        answer: asyncio.Future[float | None] = self._loop.create_future()
        packet = self._build(sequence)
        # After building: the peer needs no exact stamp of ours, the round trip does.
        monotonic_ns = self._clocks.monotonic()
        sent = Moment(self._clocks.wall(), monotonic_ns)
        try:
            self._transmit(packet)
        except OSError as error:
            self.traffic.errors[error.strerror or str(error)] += 1
            answer.set_result(None)
            return answer
        self._timeouts.add(answer)
        self._outstanding[sequence] = Outstanding(sent, answer)
        self._oldest_sequence = max(sequence - LATEST_PACKETS + 1, 0)
        self._outstanding.pop(self._oldest_sequence - 1, None)
        return answer

    def _build(self, sequence: int) -> bytes:
        return build_request(
            self._keys,
            sequence,
            sent_ns=self._clocks.tell(self._clocks.wall()),
            error_estimate=self._estimate,
            padding_bytes=self._settings.padding_bytes,
            answer_class=self._settings.traffic_class,
        )

    def _transmit(self, packet: bytes) -> None:
        self._socket.send(packet)

    async def fetch_reports(self) -> Sequence[Report]:
        """What the peer says that it got, of all packets sent; none when it does not say it."""
        reports = []
        for first in range(0, self.traffic.sent_count, REPORTED_PACKETS):
            report = await self._fetch_report(first)
            if report is None:
                return ()
            reports.append(report)
        return reports

    async def _fetch_report(self, first: int) -> Report | None:
        await self._ask(first, range(REPORT_ATTEMPTS), lambda: first in self._reports)
        return self._reports.get(first)

    async def _ask(
        self, first: int, attempts: Iterable[int], is_answered: Callable[[], bool]
    ) -> bool:
        """Whether one of the requests for a report from that packet on led to an answer."""
        for attempt in attempts:
            request = build_report_request(self._keys, first, attempt)
            with suppress(OSError):
                self._socket.send(request)
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_WAIT_SECONDS):
                    while not is_answered():
                        self._is_reported.clear()
                        await self._is_reported.wait()
            if is_answered():
                return True
        return False

    def _receive(self) -> None:
        try:
            for datagram in receive_datagrams(self._socket):
                seen = Moment(self._clocks.wall(), self._clocks.monotonic())
                self._take(datagram, seen)
        except OSError as error:
            self.traffic.errors[error.strerror or str(error)] += 1

    def _take(self, datagram: Datagram, seen: Moment) -> None:
        payload = datagram.payload
        if len(payload) == REPORT_BYTES and read_sequence(payload) == REPORT_SEQUENCE:
            report = parse_report(self._keys, payload)
            if report is not None:
                self._is_peer_proved = True
                if report.attempt not in GREETING_ATTEMPTS:
                    self._reports[report.first_sequence] = report
                self._is_reported.set()
            return
        said = parse_reflected(
            self._keys,
            payload,
            padding_bytes=self._settings.padding_bytes,
            near_ns=self._clocks.tell(seen.wall_nanoseconds),
        )
        if said is None or said.sequence >= self.traffic.sent_count:
            self.traffic.corrupt_count += 1
            return
        if said.sequence < self._oldest_sequence:
            self.traffic.errors[TOO_LATE] += 1
            return
        waiting = self._outstanding.pop(said.sequence, None)
        if waiting is None:
            self.traffic.duplicate_count += 1
            return
        self.traffic.replies.append(self._answer(waiting, said, datagram, seen))

    def _answer(
        self, waiting: Outstanding, said: Reflected, datagram: Datagram, seen: Moment
    ) -> Reply:
        whole = round_trip_seconds(waiting.sent, seen, datagram.kernel_ns)
        handling = max(said.left_ns - said.reached_ns, 0) / NANOSECONDS
        seconds = max(whole - handling, 0.0)
        stamp_ns = seen.wall_nanoseconds if datagram.kernel_ns is None else datagram.kernel_ns
        notice_ns = None if datagram.kernel_ns is None else seen.wall_nanoseconds - stamp_ns
        is_late = whole > self._settings.timeout_seconds or waiting.answer.done()
        if not waiting.answer.done():
            waiting.answer.set_result(None if is_late else seconds)
        return Reply(
            exchange=Exchange(
                sent_ns=self._clocks.tell(waiting.sent.wall_nanoseconds),
                reached_ns=said.reached_ns,
                left_ns=said.left_ns,
                arrived_ns=self._clocks.tell(stamp_ns),
                round_trip_seconds=seconds,
            ),
            said=said,
            is_late=is_late,
            notice_seconds=None if notice_ns is None else max(notice_ns, 0) / NANOSECONDS,
            traffic_class=datagram.traffic_class,
            time_to_live=datagram.time_to_live,
        )
