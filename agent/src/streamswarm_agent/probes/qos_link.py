"""The packets of a `qos` run: those of a UDP session, each with a class of its own.

A request says in octet 81 with which traffic class its answer is to leave, and in octet 80 whether
the answer goes without padding; both lie under the code, and must be zero in a plain session.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.datagram_socket import INTEGER, IP_TOS, IPV6_TCLASS
from streamswarm_agent.probes.frame_tap import Flow
from streamswarm_agent.probes.icmp_time import Moment
from streamswarm_agent.probes.policing import SweptPacket
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import Outstanding, SessionLink, SessionSettings
from streamswarm_agent.probes.session_packet import (
    PACKET_BYTES,
    REPORTED_PACKETS,
    SessionKeys,
    encode_stamp,
    pad,
    sign,
)

REQUEST = struct.Struct("!I12xQHH52xBB14x")
SHORT_ANSWER_OCTET, ANSWER_CLASS_OCTET = 80, 81
CLASSES, SWEEP = "classes", "sweep"
"""The sessions of a run, each with a socket of its own."""
SWEEP_PADDING_BYTES = 1288
IP_UDP_BYTES = {socket.AF_INET: 28, socket.AF_INET6: 48}
LEAST_SPACING_SHARE = 0.5
SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Marking:
    """The DSCP and the two bits of ECN with which packets leave, and their answers too."""

    dscp: int
    ecn: int = 0

    @property
    def traffic_class(self) -> int:
        """Both, as they stand in a header."""
        return self.dscp << 2 | self.ecn


def build_marked_request(
    keys: SessionKeys, sequence: int, *, sent_ns: int, answer_class: int, padding_bytes: int = 0
) -> bytes:
    """A packet to be reflected in that class; with padding its answer comes without."""
    is_short = bool(padding_bytes)
    stamp = encode_stamp(sent_ns)
    header = REQUEST.pack(sequence, stamp, 0, keys.tag, is_short, answer_class)
    return header + sign(keys.forward, header) + pad(keys, sequence, padding_bytes)


class MarkedLink(SessionLink):
    """Sends packets of one marking after the other, over and over."""

    def __init__(
        self, peer: Peer, markings: Sequence[Marking], timeout_seconds: float, clocks: SessionClocks
    ) -> None:
        """Raises: OSError when there is no way to the peer."""
        super().__init__(peer, SessionSettings(0, 0, timeout_seconds), clocks)
        self._markings = markings
        self._peer = peer

    @property
    def answer_flow(self) -> Flow:
        """The packets that come back."""
        return Flow(self._peer.address, self._peer.port, self._socket.getsockname()[1])

    def find_marking(self, sequence: int) -> Marking:
        """The marking of that packet."""
        return self._markings[sequence % len(self._markings)]

    def _build(self, sequence: int) -> bytes:
        return build_marked_request(
            self._keys,
            sequence,
            sent_ns=self._clocks.tell(self._clocks.wall()),
            answer_class=self.find_marking(sequence).traffic_class,
        )

    def _transmit(self, packet: bytes) -> None:
        marking = self.find_marking(self.traffic.sent_count - 1)
        is_ipv4 = self._socket.family == socket.AF_INET
        level = socket.IPPROTO_IP if is_ipv4 else socket.IPPROTO_IPV6
        option = IP_TOS if is_ipv4 else IPV6_TCLASS
        self._socket.sendmsg([packet], [(level, option, INTEGER.pack(marking.traffic_class))])


class SweepLink(SessionLink):
    """Sends large packets at a steady rate from a thread and asks what became of each."""

    def __init__(self, peer: Peer, traffic_class: int, clocks: SessionClocks) -> None:
        """Raises: OSError when there is no way to the peer."""
        super().__init__(peer, SessionSettings(0, traffic_class, SETTLE_SECONDS), clocks)
        self._sent_ns: dict[int, int] = {}

    @property
    def packet_bytes(self) -> int:
        """Of one packet with its IP and UDP headers."""
        return PACKET_BYTES + SWEEP_PADDING_BYTES + IP_UDP_BYTES[self._socket.family]

    async def sweep(self, bits_per_second: float, seconds: float) -> list[SweptPacket]:
        """Send at the rate for so long; each packet's fate by the peer's word.

        An empty list: the peer says nothing.
        """
        spacing = self.packet_bytes * 8 / bits_per_second
        count = max(int(seconds / spacing), 1)
        # Nobody waits for a single answer: one that is done serves for all of them.
        answer: asyncio.Future[float | None] = self._loop.create_future()
        answer.set_result(None)
        outstanding = Outstanding(Moment(self._clocks.wall(), 0), answer)
        self._outstanding = dict.fromkeys(range(count), outstanding)
        self.traffic.sent_count = count
        await asyncio.to_thread(self._send_paced, count, spacing)
        await asyncio.sleep(SETTLE_SECONDS)
        reports = await self.fetch_reports()
        if not reports:
            return []
        reached = {reply.said.sequence: reply.exchange.reached_ns for reply in self.traffic.replies}
        return [
            SweptPacket(
                sent_seconds=sent_ns / 1e9,
                size_bytes=self.packet_bytes,
                has_arrived=number in reached or reports[number // REPORTED_PACKETS].has(number),
                reached_seconds=reached[number] / 1e9 if number in reached else None,
            )
            for number, sent_ns in self._sent_ns.items()
        ]

    def _build_swept(self, sequence: int) -> bytes:
        return build_marked_request(
            self._keys, sequence, sent_ns=self._clocks.wall(), answer_class=0,
            padding_bytes=SWEEP_PADDING_BYTES,
        )  # fmt: skip

    def _send_paced(self, count: int, spacing: float) -> None:
        """After a delay of this host the packets that are due go on nearly one by one: no burst.

        Each is built while the one before is on its way: all at once they can be 250 MB.
        """
        due = time.monotonic()
        for sequence in range(count):
            packet = self._build_swept(sequence)
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
                now = time.monotonic()
            # Before sending: a stamp taken late would make the packet seem faster than the path is.
            self._sent_ns[sequence] = time.time_ns()
            try:
                self._socket.send(packet)
            except BlockingIOError:
                # Our own queue is full: the path never had the packet, and cannot have lost it.
                del self._sent_ns[sequence]
            except OSError:
                return
            due = max(due + spacing, now + LEAST_SPACING_SHARE * spacing)
