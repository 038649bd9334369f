"""One question to a time server, timed. Source: RFC 5905 sections 7 and 8, RFC 4330."""

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.measures import failure_text

SocketFactory = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]
PACKET = struct.Struct("!BBbb II4s QQQQ")
UNIX_TO_NTP_SECONDS = 2_208_988_800
ERA_SECONDS = 1 << 32
FRACTION = 1 << 32
SHORT_FRACTION = 1 << 16
CLIENT_MODE, SERVER_MODE = 3, 4
VERSION = 4
UNSYNCHRONISED_LEAP, UNSYNCHRONISED_STRATUM = 3, 16
MAX_REPLY_BYTES = 2048


@dataclass(frozen=True, slots=True)
class TimeReply:
    """What a server said of itself; dispersion and delay to its reference are in seconds.

    `received_at` and `sent_at` are Unix seconds of the server's clock.
    """

    leap: int
    stratum: int
    reference: str
    root_delay_seconds: float
    root_dispersion_seconds: float
    received_at: float
    sent_at: float

    @property
    def refusal(self) -> str:
        """Why its time is no use; empty when it is."""
        if self.stratum == 0:
            return f"the server refuses ({self.reference or 'no reason given'})"
        is_unsynchronised = self.stratum >= UNSYNCHRONISED_STRATUM
        if is_unsynchronised or self.leap == UNSYNCHRONISED_LEAP:
            return "the server's own clock is not synchronised"
        return ""


@dataclass(frozen=True, slots=True)
class TimeExchange:
    """What one question came to.

    `offset_seconds` is how far the server's clock is ahead of this host's; the round trip is
    without the server's own handling time. Without a reply, `error` tells why.
    """

    reply: TimeReply | None = None
    offset_seconds: float = 0.0
    round_trip_seconds: float = 0.0
    error: str = ""

    @property
    def failure(self) -> str:
        """Why the exchange gave no time to go by; empty when it did."""
        return self.reply.refusal if self.reply else self.error


@dataclass(frozen=True, slots=True)
class TimeQuestioner:
    """Asks one server, each time from a port of its own.

    The question carries a random number in place of its time, so that nobody who has not seen it
    can answer, and nobody learns this host's clock (draft-ietf-ntp-data-minimization).
    """

    clock: Clock
    address: str
    port: int
    timeout_seconds: float
    open_socket: SocketFactory = socket.socket

    async def ask(self) -> TimeExchange:
        """The exchange, silence and errors included. Raises: ProbeFailed without any socket."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        try:
            opened = self.open_socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise ProbeFailed(f"no UDP socket: {error.strerror}") from error
        with opened:
            opened.setblocking(False)
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    return await self._exchange(opened)
            except TimeoutError:
                return TimeExchange(error="no answer in time")
            except OSError as failure:
                return TimeExchange(error=failure_text(failure).lower())

    async def _exchange(self, opened: socket.socket) -> TimeExchange:
        loop = asyncio.get_running_loop()
        opened.connect((self.address, self.port))
        mark = secrets.randbits(64) | 1
        sent_at, start = self.clock.wall(), self.clock.monotonic()
        await loop.sock_sendall(opened, build_question(mark))
        while True:
            packet = await loop.sock_recv(opened, MAX_REPLY_BYTES)
            seconds = self.clock.monotonic() - start
            reply = read_reply(packet, mark, near=sent_at)
            if reply is not None:
                return relate(reply, sent_at=sent_at, seconds=seconds)
            # What has come is received without a pause: a flood must not keep the loop from others.
            await asyncio.sleep(0)


def build_question(mark: int) -> bytes:
    """A client's packet of 48 bytes that has `mark`, 64 bits, as its transmit timestamp."""
    return PACKET.pack(VERSION << 3 | CLIENT_MODE, 0, 0, 0x20, 0, 0, bytes(4), 0, 0, 0, mark)


def read_reply(packet: bytes, mark: int, *, near: float) -> TimeReply | None:
    """The server's reply; None for a packet that is none, or answers another question.

    `near` is a Unix time within 68 years of the server's: timestamps wrap in 2036.
    """
    if len(packet) < PACKET.size:
        return None
    fields = PACKET.unpack_from(packet)
    flags, stratum = fields[0], fields[1]
    root_delay, dispersion, reference, origin = fields[4], fields[5], fields[6], fields[8]
    if flags & 7 != SERVER_MODE or origin != mark:
        return None
    return TimeReply(
        leap=flags >> 6,
        stratum=stratum,
        reference=describe_reference(stratum, reference),
        root_delay_seconds=root_delay / SHORT_FRACTION,
        root_dispersion_seconds=dispersion / SHORT_FRACTION,
        received_at=read_time(fields[9], near=near),
        sent_at=read_time(fields[10], near=near),
    )


def relate(reply: TimeReply, *, sent_at: float, seconds: float) -> TimeExchange:
    """Offset and round trip of a reply that came `seconds` after `sent_at` of this host's clock.

    Source: RFC 5905 section 8. The clock of the arrival is reckoned, not read: a step of the host's
    clock in between must not look like the server's. The round trip is never below zero, which a
    coarse clock of the server could else make it.
    """
    came_at = sent_at + seconds
    offset = ((reply.received_at - sent_at) + (reply.sent_at - came_at)) / 2
    round_trip = seconds - (reply.sent_at - reply.received_at)
    return TimeExchange(reply, offset, max(round_trip, 0.0))


def read_time(timestamp: int, *, near: float) -> float:
    """Unix seconds of a 64-bit NTP timestamp, in the era that brings it closest to `near`."""
    seconds = timestamp / FRACTION - UNIX_TO_NTP_SECONDS
    return seconds + round((near - seconds) / ERA_SECONDS) * ERA_SECONDS


def describe_reference(stratum: int, reference: bytes) -> str:
    """Letters for a reference clock or a refusal (stratum 0 and 1), else four numbers."""
    if stratum <= 1:
        return "".join(chr(byte) for byte in reference if 0x20 < byte < 0x7F)  # noqa: PLR2004 - printable ASCII
    return ".".join(str(byte) for byte in reference)
