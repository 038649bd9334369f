"""Flows of ICMP echo requests, with the privileges of a ping or of root."""

import socket
import struct

from streamswarm_agent.probes.icmp_packet import (
    ECHO_REPLY,
    ECHO_REQUEST,
    HEADER,
    Family,
    internet_checksum,
    without_ip_header,
)
from streamswarm_agent.probes.icmp_socket import ICMP_FILTER, SOL_RAW
from streamswarm_agent.probes.trace_flows import COOKIE_BYTES, PROBE_BYTES, QueuedFlow


class IcmpFlow(QueuedFlow):
    """Echo requests of one identifier and checksum, told apart by their sequence number."""

    def _build(self, index: int) -> bytes:
        sequence = index & 0xFFFF
        kind = ECHO_REQUEST[self._settings.family]
        blank = HEADER.pack(kind, 0, 0, self._settings.source_port, sequence) + self._cookie
        wanted = 0xFFFF - self._settings.number
        body = self._cookie + _balance(blank, wanted) + bytes(PROBE_BYTES - 2 - len(blank))
        if self._settings.family == socket.AF_INET6:
            return HEADER.pack(kind, 0, 0, self._settings.source_port, sequence) + body
        whole = HEADER.pack(kind, 0, 0, self._settings.source_port, sequence) + body
        checksum = internet_checksum(whole)
        return HEADER.pack(kind, 0, checksum, self._settings.source_port, sequence) + body

    def _find_quoted(self, quoted: bytes) -> int | None:
        if len(quoted) < HEADER.size:
            raise ValueError("the router quotes too little of the packet")
        kind, _, _, _, sequence = HEADER.unpack_from(quoted)
        if kind != ECHO_REQUEST[self._settings.family]:
            return None
        return self._find_sequence(sequence, quoted[HEADER.size :])

    def _find_answered(self, packet: bytes) -> int | None:
        is_ipv4 = self._settings.family == socket.AF_INET
        message = without_ip_header(packet) if is_ipv4 else packet
        if len(message) < HEADER.size + COOKIE_BYTES:
            return None
        kind, _, _, _, sequence = HEADER.unpack_from(message)
        is_reply = kind == ECHO_REPLY[self._settings.family]
        return self._find_sequence(sequence, message[HEADER.size :]) if is_reply else None

    def _find_sequence(self, sequence: int, payload: bytes) -> int | None:
        known = payload[:COOKIE_BYTES]
        if not self._cookie.startswith(known):
            return None
        return self._sent_count - 1 - ((self._sent_count - 1 - sequence) & 0xFFFF)

    def _is_altered(self, quoted: bytes, packet: bytes) -> bool | None:
        if self._settings.family == socket.AF_INET6:
            return None  # its checksum is the kernel's, over addresses that are not known here
        return quoted[: HEADER.size] != packet[: HEADER.size]


def _balance(packet: bytes, wanted: int) -> bytes:
    """The two bytes that make the words of `packet` and themselves sum up to `wanted`."""
    total = wanted + internet_checksum(packet)
    return struct.pack("!H", (total & 0xFFFF) + (total >> 16))


def keep_replies_only(opened: socket.socket, family: Family) -> None:
    """Errors come over the error queue; a raw socket need not show them a second time."""
    blocked = ~(1 << ECHO_REPLY[family]) & ((1 << 256) - 1)
    if family == socket.AF_INET:
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", blocked & 0xFFFFFFFF))
    else:
        words = [blocked >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)]
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMP_FILTER, struct.pack("=8I", *words))
