"""ICMP and ICMPv6 messages as bytes: echo requests out, replies and errors in.

Sources: RFC 792, RFC 4443, RFC 1071 (checksum).
"""

import hashlib
import socket
import struct
from dataclasses import dataclass
from typing import Literal, NamedTuple

Family = Literal[socket.AddressFamily.AF_INET, socket.AddressFamily.AF_INET6]

HEADER = struct.Struct("!BBHHH")
INDEX = struct.Struct("!Q")
COOKIE_BYTES = 8
FRAME_BYTES = COOKIE_BYTES + INDEX.size
IPV4_MINIMUM_BYTES = 20
IPV6_HEADER_BYTES = 40
TTL_OFFSET = 8

ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
ERRORS = {socket.AF_INET: frozenset({3, 11, 12}), socket.AF_INET6: frozenset({1, 2, 3, 4})}
ERROR_TEXTS = {
    (socket.AF_INET, 3, 0): "network unreachable",
    (socket.AF_INET, 3, 1): "host unreachable",
    (socket.AF_INET, 3, 2): "protocol unreachable",
    (socket.AF_INET, 3, 3): "port unreachable",
    (socket.AF_INET, 3, 4): "fragmentation needed",
    (socket.AF_INET, 3, 9): "network prohibited",
    (socket.AF_INET, 3, 10): "host prohibited",
    (socket.AF_INET, 3, 13): "communication prohibited",
    (socket.AF_INET, 11, 0): "time to live exceeded",
    (socket.AF_INET6, 1, 0): "no route to destination",
    (socket.AF_INET6, 1, 1): "communication prohibited",
    (socket.AF_INET6, 1, 3): "address unreachable",
    (socket.AF_INET6, 1, 4): "port unreachable",
    (socket.AF_INET6, 2, 0): "packet too big",
    (socket.AF_INET6, 3, 0): "hop limit exceeded",
}


class EchoReply(NamedTuple):
    """An echo reply; `is_intact` tells whether its checksum holds."""

    identifier: int
    sequence: int
    payload: bytes
    is_intact: bool


@dataclass(frozen=True, slots=True)
class EchoError:
    """A router or host says that an echo request of ours to `destination` got nowhere."""

    destination: str
    identifier: int
    sequence: int
    text: str


@dataclass(frozen=True, slots=True)
class EchoPayloads:
    """The payloads of one run: its cookie, the probe's index, a fill derived from the cookie.

    Every part tells the run, so that a reply with one damaged part is still known as its own.
    """

    cookie: bytes
    fill: bytes

    @classmethod
    def of_size(cls, cookie: bytes, size_bytes: int) -> "EchoPayloads":
        """Payloads of `size_bytes`, 16 at least, for a run with this cookie of 8 bytes."""
        pattern = hashlib.sha256(cookie).digest()
        fill_bytes = max(size_bytes, FRAME_BYTES) - FRAME_BYTES
        return cls(cookie, (pattern * (fill_bytes // len(pattern) + 1))[:fill_bytes])

    def payload(self, index: int) -> bytes:
        """What probe `index` carries."""
        return self.cookie + INDEX.pack(index) + self.fill

    def index_of(self, payload: bytes, sequence: int, sent_count: int) -> int | None:
        """The probe that a reply answers; None when the reply is not this run's.

        The index in the payload decides; when it is damaged, the sequence number names the last
        probe sent with it.
        """
        if len(payload) >= FRAME_BYTES:
            (index,) = INDEX.unpack_from(payload, COOKIE_BYTES)
            is_plausible = index < sent_count and index & 0xFFFF == sequence
            if is_plausible and (payload.startswith(self.cookie) or self._has_our_fill(payload)):
                return int(index)
        last = sent_count - 1 - ((sent_count - 1 - sequence) & 0xFFFF)
        return last if payload.startswith(self.cookie) and last >= 0 else None

    def _has_our_fill(self, payload: bytes) -> bool:
        return bool(self.fill) and payload[FRAME_BYTES:] == self.fill


def echo_request(family: Family, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request, for IPv4 with its checksum; ICMPv6 checksums are the kernel's to set."""
    kind = ECHO_REQUEST[family]
    blank = HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    if family == socket.AF_INET6:
        return blank
    return HEADER.pack(kind, 0, internet_checksum(blank), identifier, sequence) + payload


def parse_message(family: Family, packet: bytes) -> EchoReply | EchoError | None:
    """What a received packet says about echo requests; None for anything else or too short.

    IPv4 packets may come with their IP header (raw sockets) or without (datagram sockets).
    """
    message = without_ip_header(packet) if family == socket.AF_INET else packet
    if len(message) < HEADER.size:
        return None
    kind, code, _, identifier, sequence = HEADER.unpack_from(message)
    if kind == ECHO_REPLY[family] and code == 0:
        is_intact = family == socket.AF_INET6 or internet_checksum(message) == 0
        return EchoReply(identifier, sequence, message[HEADER.size :], is_intact)
    if kind in ERRORS[family]:
        return _parse_error(family, kind, code, message[HEADER.size :])
    return None


def parse_quoted_request(
    family: Family, destination: str, message: bytes, kind: int, code: int
) -> EchoError | None:
    """The error about `message`, an echo request of ours as an error quotes it."""
    if len(message) < HEADER.size:
        return None
    quoted_kind, _, _, identifier, sequence = HEADER.unpack_from(message)
    if quoted_kind != ECHO_REQUEST[family]:
        return None
    text = ERROR_TEXTS.get((family, kind, code), f"ICMP error {kind}/{code}")
    return EchoError(destination, identifier, sequence, text)


def internet_checksum(message: bytes) -> int:
    """The checksum of RFC 1071; 0 for a message that contains its right checksum."""
    number = int.from_bytes(message) << 8 * (len(message) % 2)
    # 2^16 is 1 modulo 2^16 - 1: the remainder is the sum of all words with their carries added in.
    # Of the two zeros of one's complement, only a message of zeros has the sum 0.
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return 0xFFFF - total


def without_ip_header(packet: bytes) -> bytes:
    """The ICMP message of an IPv4 packet; a packet without an IP header as it is."""
    is_ip = bool(packet) and packet[0] >> 4 == 4  # noqa: PLR2004 - no ICMP type starts so
    return packet[(packet[0] & 0x0F) * 4 :] if is_ip else packet


def read_ttl(packet: bytes) -> int | None:
    """The hops left in the header of an IPv4 packet; None for a packet without its IP header."""
    is_ip = len(packet) >= IPV4_MINIMUM_BYTES and packet[0] >> 4 == 4  # noqa: PLR2004 - as above
    return packet[TTL_OFFSET] if is_ip else None


def _parse_error(family: Family, kind: int, code: int, quoted: bytes) -> EchoError | None:
    if family == socket.AF_INET:
        if len(quoted) < IPV4_MINIMUM_BYTES or quoted[9] != socket.IPPROTO_ICMP:
            return None
        destination, message = quoted[16:20], without_ip_header(quoted)
    else:
        if len(quoted) < IPV6_HEADER_BYTES or quoted[6] != socket.IPPROTO_ICMPV6:
            return None
        destination, message = quoted[24:40], quoted[IPV6_HEADER_BYTES:]
    return parse_quoted_request(family, socket.inet_ntop(family, destination), message, kind, code)
