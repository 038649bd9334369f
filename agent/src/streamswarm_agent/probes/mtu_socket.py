"""Packets of a wanted size that nobody may fragment, and what becomes of them."""

import asyncio
import errno
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from streamswarm_agent.probes.error_queue import PacketError, keep_errors, read_errors, with_ttl
from streamswarm_agent.probes.icmp_packet import (
    ECHO_REPLY,
    HEADER,
    IPV4_MINIMUM_BYTES,
    IPV6_HEADER_BYTES,
    Family,
    echo_request,
    without_ip_header,
)
from streamswarm_agent.probes.icmp_socket import PACKET_BYTES, RECEIVE_BATCH
from streamswarm_agent.probes.trace_answers import judge_error
from streamswarm_agent.probes.trace_echo import keep_replies_only
from streamswarm_agent.probes.trace_flows import MARK, OLD_NEWS, SEND_TRIES, Destination

Verdict = Literal["delivered", "too_big", "local", "passed", "refused", "lost"]
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
IPV6_DONTFRAG = 62
PMTUDISC_PROBE = 3
"""Never fragment, and try sizes above what the kernel believes the path to carry."""
IP_MTU = 14
IPV6_MTU = 24
FRAGMENTATION_NEEDED = {socket.AF_INET: (3, 4), socket.AF_INET6: (2, 0)}
TRANSPORT_HEADER_BYTES = 8
"""Of UDP and of an ICMP echo."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a packet, who said so, and the MTU they named (0 for none)."""

    verdict: Verdict
    address: str = ""
    mtu_bytes: int = 0
    seconds: float = 0.0
    text: str = ""


LOST = Delivery("lost")


class SizedSocket:
    """Sends packets of any size over UDP or as echo requests, one question at a time."""

    def __init__(
        self,
        opened: socket.socket,
        family: Family,
        destination: Destination,
        monotonic: Callable[[], float],
    ) -> None:
        self._socket = opened
        self._family = family
        self._destination = destination
        self._monotonic = monotonic
        self._is_echo = opened.proto in {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6}
        self._cookie = secrets.token_bytes(8)
        self._identifier = secrets.randbits(16)
        self._sent_count = 0
        self._first_index = 0
        self._answer: asyncio.Future[Delivery] | None = None
        self._sent_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._receive)

    @property
    def header_bytes(self) -> int:
        """What a packet holds before its payload."""
        is_ipv4 = self._family == socket.AF_INET
        return (IPV4_MINIMUM_BYTES if is_ipv4 else IPV6_HEADER_BYTES) + TRANSPORT_HEADER_BYTES

    async def ask(
        self, size_bytes: int, waits_seconds: Iterable[float], ttl: int | None = None
    ) -> Delivery:
        """Send a packet of that size, again after each wait; the first word about any of them."""
        self._first_index = self._sent_count
        self._answer = self._loop.create_future()
        try:
            for wait_seconds in waits_seconds:
                local = self._send(size_bytes, ttl)
                if local is not None:
                    return local
                done, _ = await asyncio.wait([self._answer], timeout=wait_seconds)
                if done:
                    return self._answer.result()
            return LOST
        finally:
            self._answer = None

    def close(self) -> None:
        """Give the socket back."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _send(self, size_bytes: int, ttl: int | None) -> Delivery | None:
        """None once the packet is out; otherwise what the host says against it."""
        ancillary = [] if ttl is None else [with_ttl(self._socket.family, ttl)]
        packet = self._build(size_bytes - self.header_bytes)
        for tries_left in reversed(range(SEND_TRIES)):
            self._sent_at = self._monotonic()
            try:
                self._socket.sendmsg([packet], ancillary)
            except OSError as error:
                if error.errno in OLD_NEWS and tries_left:
                    continue
                if error.errno == errno.EMSGSIZE:
                    return Delivery("local")
                return Delivery("refused", text=(error.strerror or str(error)).lower())
            break
        return None

    def _build(self, payload_bytes: int) -> bytes:
        index = self._sent_count
        self._sent_count += 1
        payload = MARK.pack(self._cookie, index).ljust(payload_bytes, b"\0")
        if not self._is_echo:
            return payload
        return echo_request(self._family, self._identifier, index & 0xFFFF, payload)

    def _receive(self) -> None:
        for error in read_errors(self._socket):
            self._take_error(error)
        for _ in range(RECEIVE_BATCH):
            try:
                packet, _, _, address = self._socket.recvmsg(PACKET_BYTES)
            except OSError:
                return
            if self._is_about_question(self._payload_of(packet, ECHO_REPLY[self._family])):
                source = address[0].partition("%")[0] if address else self._destination[0]
                self._settle(Delivery("delivered", source))

    def _payload_of(self, packet: bytes, wanted_kind: int | None) -> bytes:
        if not self._is_echo:
            return packet
        message = without_ip_header(packet) if self._family == socket.AF_INET else packet
        if wanted_kind is not None and message[:1] != bytes([wanted_kind]):
            return b""
        return message[HEADER.size :]

    def _take_error(self, error: PacketError) -> None:
        quoted = self._payload_of(error.quoted, None)
        is_short = len(quoted) < MARK.size  # of the one question there is, then
        if error.origin != "icmp" or not (is_short or self._is_about_question(quoted)):
            return
        if (error.kind, error.code) == FRAGMENTATION_NEEDED[self._family]:
            self._settle(Delivery("too_big", error.offender, error.mtu_bytes))
            return
        judged = judge_error(self._family, error, self._destination[0].partition("%")[0])
        if judged is not None:
            verdict, text = judged
            meant: Verdict = "delivered" if verdict == "reached" else verdict
            self._settle(Delivery(meant, error.offender, text=text))

    def _is_about_question(self, payload: bytes) -> bool:
        if len(payload) < MARK.size:
            return False
        cookie, index = MARK.unpack_from(payload)
        return bool(cookie == self._cookie and index >= self._first_index)

    def _settle(self, delivery: Delivery) -> None:
        if self._answer is not None and not self._answer.done():
            seconds = self._monotonic() - self._sent_at
            self._answer.set_result(
                Delivery(
                    delivery.verdict, delivery.address, delivery.mtu_bytes, seconds, delivery.text
                )
            )


def forbid_fragments(opened: socket.socket) -> None:
    """Let no packet of the socket be fragmented, whatever the kernel believes of its path.

    Raises: OSError where the system cannot promise that.
    """
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        return
    opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
    opened.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)


def read_kernel_mtu(opened: socket.socket) -> int:
    """What the kernel believes the path of a connected socket to carry, in bytes."""
    if opened.family == socket.AF_INET:
        return opened.getsockopt(socket.IPPROTO_IP, IP_MTU)
    return opened.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)


def prepare_socket(
    opened: socket.socket, family: Family, destination: Destination, *, is_raw: bool
) -> None:
    """Connect the socket so that errors are kept and nothing is fragmented. Raises: OSError."""
    opened.setblocking(False)
    keep_errors(opened)
    forbid_fragments(opened)
    if is_raw:
        keep_replies_only(opened, family)
    opened.connect(destination)
