"""The packets of a UDP transfer: a number, when it was sent, and a code over both.

128 bytes or more: a header of 96, its code of 16, and what fills the packet up. A packet with the
number `HELLO` shows the peer where packets come from; it is answered by one of the same length.
"""

import hmac
import struct
from dataclasses import dataclass

from streamswarm_agent.probes.loaded_latency import name_session
from streamswarm_agent.probes.session_packet import (
    HEADER_BYTES,
    PACKET_BYTES,
    SessionKeys,
    sign,
)

HEADER = struct.Struct("!IQ14xH68x")
HELLO = 0xFFFFFFFF
MOST_FLOW_PACKETS = 1 << 26
"""Packets of one transfer; the receiver keeps a bit of each."""


@dataclass(frozen=True, slots=True)
class FlowPacket:
    """What a packet says; of a hello, `sent_ns` is which attempt it is."""

    sequence: int
    sent_ns: int


def derive_flow_keys(key: bytes, run_id: str, direction: str) -> SessionKeys:
    """The keys of the run's packets in one direction, as those of a session of its own."""
    return SessionKeys.derive(key, name_session(run_id, f"flow {direction}"))


def build_flow_packet(
    key: bytes, tag: int, sequence: int, *, sent_ns: int, filler: bytes = b""
) -> bytes:
    """A packet under that key."""
    header = HEADER.pack(sequence, sent_ns, tag)
    return header + sign(key, header) + filler


def read_flow_packet(key: bytes, packet: bytes) -> FlowPacket | None:
    """What a packet says; None for one that does not bear the key's code."""
    if len(packet) < PACKET_BYTES:
        return None
    code = sign(key, packet[:HEADER_BYTES])
    if not hmac.compare_digest(code, packet[HEADER_BYTES:PACKET_BYTES]):
        return None
    sequence, sent_ns, _ = HEADER.unpack_from(packet)
    return FlowPacket(sequence, sent_ns)
