"""IPv4 and IPv6 packets as bytes: what a router reads in them, changes and answers.

Sources: RFC 791, RFC 8200, RFC 1071 and RFC 1624 (checksums), RFC 792, RFC 1191, RFC 4443 (errors).
"""

import socket
import struct
from dataclasses import dataclass

IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
PROTOCOL_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmp"}
ECHO_KINDS = {ICMP: (0, 8), ICMPV6: (128, 129)}
ICMP_ERRORS = frozenset({3, 4, 5, 11, 12})
FIRST_ICMPV6_INFORMATION = 128
MULTICAST_IPV4 = 0xE0
MULTICAST_IPV6 = 0xFF
DO_NOT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
OFFSET_MASK = 0x1FFF
ECN_MASK, CE = 0x03, 0x03
ERROR_IPV4_BYTES = 576
"""An error quotes so much that it stays within what every host takes (RFC 1812 4.3.2.3)."""
ERROR_IPV6_BYTES = 1280
TIME_TO_LIVE = 64


@dataclass(frozen=True, slots=True)
class Flow:
    """One way of a conversation; for echoes the identifier takes the place of both ports."""

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet and what its headers say; `header_bytes` is where its payload starts."""

    raw: bytes
    is_ipv4: bool
    header_bytes: int
    protocol: int
    traffic_class: int

    @property
    def dscp(self) -> int:
        """The class of service, 0 to 63."""
        return self.traffic_class >> 2

    @property
    def is_ecn_capable(self) -> bool:
        """Whether a router may mark it instead of dropping it (RFC 3168)."""
        return bool(self.traffic_class & ECN_MASK)

    @property
    def is_later_fragment(self) -> bool:
        """Whether it carries no header of the protocol above."""
        return self.is_ipv4 and bool(_fragment_field(self.raw) & OFFSET_MASK)

    @property
    def flow_key(self) -> bytes:
        """Bytes that are equal exactly for packets of one flow."""
        start = self.header_bytes
        if self.protocol in ECHO_KINDS:
            ports = self.raw[start : start + 1] + self.raw[start + 4 : start + 6]
        else:
            ports = b"" if self.is_later_fragment else self.raw[start : start + 4]
        addresses = self.raw[12:20] if self.is_ipv4 else self.raw[8:40]
        return bytes([self.protocol]) + addresses + ports

    @property
    def tag(self) -> int:
        """What tells packets of a flow apart, the same in an echo and its reply.

        The sequence number of an echo, that of TCP, the first four bytes of a UDP payload (where
        OWAMP, TWAMP and this product's sessions have theirs); 0 without any of these.
        """
        start = self.header_bytes
        if self.is_later_fragment:
            return 0
        if self.protocol in ECHO_KINDS:
            return int.from_bytes(self.raw[start + 6 : start + 8])
        if self.protocol == TCP:
            return int.from_bytes(self.raw[start + 4 : start + 8])
        return int.from_bytes(self.raw[start + 8 : start + 12]) if self.protocol == UDP else 0

    def describe_flow(self) -> Flow:
        """The flow in words and numbers."""
        family = socket.AF_INET if self.is_ipv4 else socket.AF_INET6
        size = 4 if self.is_ipv4 else 16
        start = 12 if self.is_ipv4 else 8
        source = socket.inet_ntop(family, self.raw[start : start + size])
        destination = socket.inet_ntop(family, self.raw[start + size : start + 2 * size])
        ports = self.raw[self.header_bytes : self.header_bytes + 4]
        first, second = int.from_bytes(ports[:2]), int.from_bytes(ports[2:])
        if self.protocol in ECHO_KINDS:
            first = second = int.from_bytes(self.raw[self.header_bytes + 4 :][:2])
        elif self.protocol not in {TCP, UDP} or self.is_later_fragment:
            first = second = 0
        name = PROTOCOL_NAMES.get(self.protocol, str(self.protocol))
        return Flow(name, source, first, destination, second)


def read_packet(raw: bytes) -> Packet | None:
    """The packet; None for what is no whole IP header, or goes to a group.

    A kernel sends to groups (routers, listeners) of its own accord, whatever an experiment does.
    """
    if len(raw) >= IPV4_HEADER_BYTES and raw[0] >> 4 == 4:  # noqa: PLR2004 - the IP version
        if raw[16] >= MULTICAST_IPV4:
            return None
        return Packet(raw, True, (raw[0] & 0x0F) * 4, raw[9], raw[1])
    if len(raw) >= IPV6_HEADER_BYTES and raw[0] >> 4 == 6:  # noqa: PLR2004 - the IP version
        if raw[24] == MULTICAST_IPV6:
            return None
        return Packet(raw, False, IPV6_HEADER_BYTES, raw[6], (raw[0] & 0x0F) << 4 | raw[1] >> 4)
    return None


def set_traffic_class(packet: Packet, traffic_class: int) -> bytes:
    """The packet with this DSCP and ECN byte, its checksum adjusted as RFC 1624 says."""
    raw = packet.raw
    if not packet.is_ipv4:
        first = (6 << 4 | traffic_class >> 4, (traffic_class & 0x0F) << 4 | raw[1] & 0x0F)
        return bytes(first) + raw[2:]
    (old_word, checksum) = (raw[0] << 8 | raw[1], int.from_bytes(raw[10:12]))
    new_word = raw[0] << 8 | traffic_class
    total = (~checksum & 0xFFFF) + (~old_word & 0xFFFF) + new_word
    adjusted = ~fold_sum(total) & 0xFFFF
    return raw[:1] + bytes([traffic_class]) + raw[2:10] + adjusted.to_bytes(2) + raw[12:]


def damage(raw: bytes) -> bytes:
    """The packet with its last bit flipped and every checksum left as it was."""
    return raw[:-1] + bytes([raw[-1] ^ 0x01])


def may_fragment(packet: Packet) -> bool:
    """Whether a router may cut it in pieces instead of refusing it."""
    return packet.is_ipv4 and not _fragment_field(packet.raw) & DO_NOT_FRAGMENT


def cut(packet: Packet, mtu_bytes: int) -> list[bytes]:
    """The fragments of an IPv4 packet, each of at most `mtu_bytes`, as a router makes them."""
    header, payload = packet.raw[: packet.header_bytes], packet.raw[packet.header_bytes :]
    room_bytes = (mtu_bytes - len(header)) // 8 * 8
    field = _fragment_field(packet.raw)
    pieces = []
    for start in range(0, len(payload), room_bytes):
        piece = payload[start : start + room_bytes]
        is_last = start + room_bytes >= len(payload)
        more = field & MORE_FRAGMENTS if is_last else MORE_FRAGMENTS
        flags = more | (field & OFFSET_MASK) + start // 8
        head = bytearray(header)
        struct.pack_into("!H", head, 2, len(header) + len(piece))
        struct.pack_into("!H", head, 6, flags)
        pieces.append(_with_header_checksum(head) + piece)
    return pieces


def refuse_too_big(packet: Packet, mtu_bytes: int, router: str) -> bytes | None:
    """The error of a router at the address `router` to the sender of a packet above the MTU.

    IPv4: "fragmentation needed" with the MTU of the next hop (RFC 1191); IPv6: "packet too big"
    (RFC 4443 3.2). None where no error may be sent: about an error or a later fragment.
    """
    if packet.is_later_fragment or _is_icmp_error(packet):
        return None
    if packet.is_ipv4:
        quoted = packet.raw[: ERROR_IPV4_BYTES - IPV4_HEADER_BYTES - 8]
        message = _with_checksum(struct.pack("!BBHHH", 3, 4, 0, 0, mtu_bytes) + quoted, b"")
        head = struct.pack(
            "!BBHHHBBH4s4s",
            4 << 4 | 5, 0xC0, IPV4_HEADER_BYTES + len(message), 0, 0, TIME_TO_LIVE, ICMP, 0,
            socket.inet_aton(router), packet.raw[12:16],
        )  # fmt: skip
        return _with_header_checksum(bytearray(head)) + message
    quoted = packet.raw[: ERROR_IPV6_BYTES - IPV6_HEADER_BYTES - 8]
    addresses = socket.inet_pton(socket.AF_INET6, router) + packet.raw[8:24]
    plain = struct.pack("!BBHI", 2, 0, 0, mtu_bytes) + quoted
    pseudo_header = addresses + struct.pack("!II", len(plain), ICMPV6)
    head = struct.pack("!IHBB", 6 << 28, len(plain), ICMPV6, TIME_TO_LIVE)
    return head + addresses + _with_checksum(plain, pseudo_header)


def sum_words(content: bytes) -> int:
    """The one's complement sum of RFC 1071, 0xFFFF over content with a right checksum."""
    padded = content + b"\0" * (len(content) % 2)
    return fold_sum(sum(struct.unpack(f"!{len(padded) // 2}H", padded)))


def fold_sum(total: int) -> int:
    """A sum of 16-bit words with its carries added in."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _with_checksum(message: bytes, pseudo_header: bytes) -> bytes:
    checksum = ~sum_words(pseudo_header + message) & 0xFFFF
    return message[:2] + checksum.to_bytes(2) + message[4:]


def _with_header_checksum(header: bytearray) -> bytes:
    header[10:12] = b"\0\0"
    header[10:12] = (~sum_words(bytes(header)) & 0xFFFF).to_bytes(2)
    return bytes(header)


def _fragment_field(raw: bytes) -> int:
    return raw[6] << 8 | raw[7]


def _is_icmp_error(packet: Packet) -> bool:
    kind = packet.raw[packet.header_bytes] if len(packet.raw) > packet.header_bytes else 0
    if packet.is_ipv4:
        return packet.protocol == ICMP and kind in ICMP_ERRORS
    return packet.protocol == ICMPV6 and kind < FIRST_ICMPV6_INFORMATION
