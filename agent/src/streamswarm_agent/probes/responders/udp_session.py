"""The answering end of `udp_session`: reflects the packets of whoever holds the run's key."""

from typing import ClassVar

from streamswarm_agent.probes.base import Clock, ResponderRequest
from streamswarm_agent.probes.datagram_socket import Datagram
from streamswarm_agent.probes.responders.udp_port import SHARED_PORTS, Answer, UdpPorts
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_packet import (
    CLASS_OCTET,
    MOST_PACKETS,
    REPORT_SEQUENCE,
    REPORTED_PACKETS,
    Reflected,
    Report,
    SessionKeys,
    build_reflected,
    build_report,
    is_request,
    read_report_request,
    read_sequence,
)

MOST_COPIES = 255
"""Copies of one packet that are counted."""
UNKNOWN_HOPS = 255
MAPPED_IPV4 = "::ffff:"
CLOCK_SECONDS = 16
"""How often the kernel is asked how right its clock is."""


class ReflectedSession:
    """What arrived of one run, and the answers to it.

    Only what the run's key proves is answered, once and never with more bytes than came, and only
    to where the first such packet came from: a packet caught and sent again gets nothing.
    """

    def __init__(self, request: ResponderRequest, clocks: SessionClocks) -> None:
        self.keys = SessionKeys.derive(request.key, request.run_id)
        self.tag = self.keys.tag
        self._allowed_address = request.allowed_address
        self._traffic_class = int(request.parameters.get("dscp", 0)) << 2
        self._clocks = clocks
        self._peer: tuple[object, ...] = ()
        self._copies = bytearray()
        self._reported_attempts: dict[int, int] = {}
        self._taken_count = 0
        self._received_count = 0
        self._duplicate_count = 0
        self._reordered_count = 0
        self._highest = -1
        self._estimate = 0
        self._estimate_until_ns = 0

    def take(self, datagram: Datagram, answer: Answer) -> bool:
        """As `PortSession.take`."""
        if not self._is_from_peer(datagram) or not is_request(self.keys, datagram.payload):
            return False
        sequence = read_sequence(datagram.payload)
        if sequence == REPORT_SEQUENCE:
            self._report(datagram, answer)
        elif sequence < MOST_PACKETS and self._note(sequence):
            wanted_class = datagram.payload[CLASS_OCTET] or self._traffic_class
            answer(self._reflect(datagram, sequence), wanted_class)
        self._peer = self._peer or datagram.source
        return True

    def _is_from_peer(self, datagram: Datagram) -> bool:
        if self._peer:
            return datagram.source == self._peer
        address = str(datagram.source[0]).partition("%")[0].removeprefix(MAPPED_IPV4)
        return self._allowed_address in {"", address}

    def _note(self, sequence: int) -> bool:
        """Count the packet; whether it is the first with its number, which alone is answered."""
        if sequence >= len(self._copies):
            self._copies.extend(bytes(sequence + 1 - len(self._copies)))
        copies = self._copies[sequence]
        if copies:
            self._duplicate_count += copies < MOST_COPIES
            self._copies[sequence] = min(copies + 1, MOST_COPIES)
            return False
        self._copies[sequence] = 1
        self._received_count += 1
        self._reordered_count += sequence < self._highest
        self._highest = max(self._highest, sequence)
        return True

    def _reflect(self, datagram: Datagram, sequence: int) -> bytes:
        number = self._taken_count
        self._taken_count += 1
        estimate = self._read_estimate()
        hops, traffic_class = datagram.time_to_live, datagram.traffic_class
        left_ns = self._clocks.wall()
        reached_ns = left_ns if datagram.kernel_ns is None else datagram.kernel_ns
        answer = Reflected(
            sequence=sequence,
            reflector_sequence=number,
            reached_ns=self._clocks.tell(reached_ns),
            left_ns=self._clocks.tell(left_ns),
            error_estimate=estimate,
            time_to_live=UNKNOWN_HOPS if hops is None else hops,
            traffic_class=traffic_class or 0,
        )
        return build_reflected(self.keys, datagram.payload, answer)

    def _read_estimate(self) -> int:
        now_ns = self._clocks.monotonic()
        if now_ns >= self._estimate_until_ns:
            self._estimate = self._clocks.read_estimate()
            self._estimate_until_ns = now_ns + CLOCK_SECONDS * 1_000_000_000
        return self._estimate

    def _report(self, datagram: Datagram, answer: Answer) -> None:
        asked = read_report_request(datagram.payload)
        if asked is None:
            return
        first, attempt = asked
        answered = self._reported_attempts.get(first, 0)
        if answered >> attempt & 1:
            return
        self._reported_attempts[first] = answered | 1 << attempt
        copies = self._copies[first : first + REPORTED_PACKETS]
        arrived = bytearray((len(copies) + 7) // 8)
        for place, count in enumerate(copies):
            if count:
                arrived[place >> 3] |= 0x80 >> (place & 7)
        report = Report(
            first_sequence=first,
            received_count=self._received_count,
            duplicate_count=self._duplicate_count,
            reordered_count=self._reordered_count,
            arrived=bytes(arrived),
            attempt=attempt,
        )
        answer(build_report(self.keys, report), self._traffic_class)


class UdpSessionResponder:
    """Listens for the run's time, on the port that all runs of the process share."""

    kind: ClassVar[str] = "udp_session"

    def __init__(
        self, clock: Clock, ports: UdpPorts = SHARED_PORTS, clocks: SessionClocks | None = None
    ) -> None:
        self._clock = clock
        self._ports = ports
        self._clocks = clocks or SessionClocks()

    async def serve(self, request: ResponderRequest) -> None:
        """Answer the holder of the run's key; see `Responder`. Raises: ProbeFailed."""
        session = ReflectedSession(request, self._clocks)
        with self._ports.listen(session, bind_address=request.bind_address, port=request.port):
            await self._clock.sleep(request.duration_seconds)
