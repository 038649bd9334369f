"""The packets of a UDP session, 112 bytes and padding, as bytes.

Layout: the authenticated mode of RFC 8762 (STAMP; the field order of TWAMP, RFC 5357) with stamps
in NTP's format and the session's tag where RFC 8972 has it. Octet 81, one that must be zero, is a
traffic class: in a request the one that its answer shall leave with, in the answer the one that
arrived. Reports use octets 4 to 32 of their own.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from math import ceil, log2

NANOSECONDS = 1_000_000_000
UNIX_TO_NTP_SECONDS = 2_208_988_800
ERA_SECONDS = 1 << 32
FRACTION_BITS = 32

REQUEST = struct.Struct("!I12xQHH53xB14x")
REFLECTED = struct.Struct("!I12xQHH4xQ8xI12xQH6xBB14x")
REPORT_REQUEST = struct.Struct("!II8xQHH68x")
REPORT = struct.Struct("!IIIIIIHH68x")
SEQUENCE = struct.Struct("!I")
HEADER_BYTES = 96
CODE_BYTES = 16
PACKET_BYTES = HEADER_BYTES + CODE_BYTES
TAG = slice(26, 28)
CLASS_OCTET = 81
REPORT_SEQUENCE = 0xFFFFFFFF
"""Where a packet has its number, a report and the request for one have this."""
REPORTED_PACKETS = 8192
REPORT_BYTES = PACKET_BYTES + REPORTED_PACKETS // 8
MOST_REPORT_ATTEMPTS = 64
MOST_PACKETS = 1 << 20
"""Packets of one session; numbers beyond are not answered."""

SYNCHRONISED = 0x8000
LARGEST_SCALE, LARGEST_MULTIPLIER = 0x3F, 0xFF


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What proves the packets of one run, another key each way: none passes for its answer."""

    forward: bytes = field(repr=False)
    reverse: bytes = field(repr=False)
    tag: int

    @classmethod
    def derive(cls, key: bytes, run_id: str) -> "SessionKeys":
        """The keys of the run, and the 16 bits that tell it apart on a port."""
        forward, reverse = (
            hmac.digest(key, f"streamswarm udp_session {way} {run_id}".encode(), "sha256")
            for way in ("forward", "reverse")
        )
        return cls(forward, reverse, int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:2]))


@dataclass(frozen=True, slots=True)
class Reflected:
    """What the peer says about a packet of ours; its stamps are Unix nanoseconds of its clock.

    `reflector_sequence` counts the packets that it took, in the order of their arrival.
    """

    sequence: int
    reflector_sequence: int
    reached_ns: int
    left_ns: int
    error_estimate: int
    time_to_live: int
    traffic_class: int


@dataclass(frozen=True, slots=True)
class Report:
    """What reached the peer, of 8,192 packets from `first_sequence`, and of all the counts.

    `attempt` is the one of the request that it answers.
    """

    first_sequence: int
    received_count: int
    duplicate_count: int
    reordered_count: int
    arrived: bytes = b""
    attempt: int = 0

    def has(self, sequence: int) -> bool:
        """Whether the packet, one of those reported, arrived."""
        place = sequence - self.first_sequence
        return bool(self.arrived[place >> 3] & 0x80 >> (place & 7))


def sign(key: bytes, header: bytes, body: bytes = b"") -> bytes:
    """The code of header and body: HMAC-SHA-256, its first 16 bytes (RFC 8762 section 4.4)."""
    return hmac.digest(key, header + body, "sha256")[:CODE_BYTES]


def build_request(
    keys: SessionKeys,
    sequence: int,
    *,
    sent_ns: int,
    error_estimate: int,
    padding_bytes: int = 0,
    answer_class: int = 0,
) -> bytes:
    """A packet to be reflected, with that traffic class; 0 leaves it to the other end."""
    stamp = encode_stamp(sent_ns)
    header = REQUEST.pack(sequence, stamp, error_estimate, keys.tag, answer_class)
    return header + sign(keys.forward, header) + pad(keys, sequence, padding_bytes)


def build_reflected(keys: SessionKeys, request: bytes, answer: Reflected) -> bytes:
    """The answer to a request, as long as it, its padding untouched."""
    _, sent_stamp, sender_error, tag, _ = REQUEST.unpack_from(request)
    header = REFLECTED.pack(
        answer.reflector_sequence, encode_stamp(answer.left_ns), answer.error_estimate, tag,
        encode_stamp(answer.reached_ns), answer.sequence, sent_stamp, sender_error,
        answer.time_to_live, answer.traffic_class,
    )  # fmt: skip
    return header + sign(keys.reverse, header) + request[PACKET_BYTES:]


def read_sequence(packet: bytes) -> int:
    """The number in the first four bytes."""
    return int(SEQUENCE.unpack_from(packet)[0])


def is_request(keys: SessionKeys, packet: bytes) -> bool:
    """Whether whoever holds the run's key made this request, for a packet or for a report."""
    return _is_proved(keys.forward, packet)


def parse_reflected(
    keys: SessionKeys, packet: bytes, *, padding_bytes: int, near_ns: int
) -> Reflected | None:
    """What a reflected packet says; None for one that is damaged or not from the peer.

    `near_ns`: Unix nanoseconds at most 68 years away from its stamps.
    """
    if len(packet) != PACKET_BYTES + padding_bytes or not _is_proved(keys.reverse, packet):
        return None
    counted, left, error, _, reached, sequence, _, _, hops, traffic_class = REFLECTED.unpack_from(
        packet
    )
    if packet[PACKET_BYTES:] != pad(keys, sequence, padding_bytes):
        return None
    return Reflected(
        sequence=sequence,
        reflector_sequence=counted,
        reached_ns=decode_stamp(reached, near_ns),
        left_ns=decode_stamp(left, near_ns),
        error_estimate=error,
        time_to_live=hops,
        traffic_class=traffic_class,
    )


def build_report_request(keys: SessionKeys, first_sequence: int, attempt: int = 0) -> bytes:
    """The question what arrived, from that packet on; as long as its answer.

    Each attempt, of at most 64, is answered once.
    """
    header = REPORT_REQUEST.pack(REPORT_SEQUENCE, first_sequence, attempt, 0, keys.tag)
    return header + sign(keys.forward, header) + bytes(REPORT_BYTES - PACKET_BYTES)


def read_report_request(packet: bytes) -> tuple[int, int] | None:
    """The first packet that a request asks about, and which attempt it is.

    None for what no initiator asks, and when it is shorter than the answer.
    """
    if len(packet) < REPORT_BYTES:
        return None
    _, first, attempt, _, _ = REPORT_REQUEST.unpack_from(packet)
    is_asked = first < MOST_PACKETS and first % REPORTED_PACKETS == 0
    return (first, attempt) if is_asked and attempt < MOST_REPORT_ATTEMPTS else None


def build_report(keys: SessionKeys, report: Report) -> bytes:
    """The report as bytes."""
    header = REPORT.pack(
        REPORT_SEQUENCE, report.first_sequence, report.received_count, report.duplicate_count,
        report.reordered_count, report.attempt, 0, keys.tag,
    )  # fmt: skip
    body = report.arrived.ljust(REPORT_BYTES - PACKET_BYTES, b"\0")
    return header + sign(keys.reverse, header, body) + body


def parse_report(keys: SessionKeys, packet: bytes) -> Report | None:
    """What a report says; None for one that is damaged or not from the peer."""
    if len(packet) != REPORT_BYTES:
        return None
    header, body = packet[:HEADER_BYTES], packet[PACKET_BYTES:]
    code = sign(keys.reverse, header, body)
    if not hmac.compare_digest(code, packet[HEADER_BYTES:PACKET_BYTES]):
        return None
    _, first, received, duplicates, reordered, attempt, _, _ = REPORT.unpack(header)
    return Report(first, received, duplicates, reordered, body, attempt)


def pad(keys: SessionKeys, sequence: int, padding_bytes: int) -> bytes:
    """The padding of that packet, which nothing on the path should change or could compress."""
    if not padding_bytes:
        return b""
    seed = keys.tag.to_bytes(2) + sequence.to_bytes(4)
    return hashlib.shake_128(seed).digest(padding_bytes)


def encode_stamp(unix_ns: int) -> int:
    """Unix nanoseconds in the 64 bits of NTP (RFC 5905 section 6), rounded down."""
    seconds, nanoseconds = divmod(unix_ns, NANOSECONDS)
    era_seconds = (seconds + UNIX_TO_NTP_SECONDS) % ERA_SECONDS
    return era_seconds << FRACTION_BITS | (nanoseconds << FRACTION_BITS) // NANOSECONDS


def decode_stamp(stamp: int, near_ns: int) -> int:
    """Unix nanoseconds of an NTP stamp, in the era that is nearest to `near_ns`."""
    seconds, fraction = stamp >> FRACTION_BITS, stamp & (1 << FRACTION_BITS) - 1
    near_seconds = near_ns // NANOSECONDS + UNIX_TO_NTP_SECONDS
    away_seconds = (seconds - near_seconds + ERA_SECONDS // 2) % ERA_SECONDS - ERA_SECONDS // 2
    unix_seconds = near_seconds + away_seconds - UNIX_TO_NTP_SECONDS
    return unix_seconds * NANOSECONDS + -(-fraction * NANOSECONDS >> FRACTION_BITS)


def encode_error(seconds: float | None) -> int:
    """An error estimate of RFC 4656 section 4.1.2; None for a clock that nothing synchronises.

    Rounded up, to 1 in 128 or better; at least one unit of 2^-32 s.
    """
    if seconds is None:
        return 1
    units = max(seconds * 2.0**FRACTION_BITS, 1.0)
    scale = min(max(ceil(log2(units / LARGEST_MULTIPLIER)), 0), LARGEST_SCALE)
    multiplier = min(ceil(units / 2.0**scale), LARGEST_MULTIPLIER)
    return SYNCHRONISED | scale << 8 | multiplier


def decode_error(estimate: int) -> float | None:
    """The seconds that a clock may be wrong by; None when nothing synchronises it."""
    if not estimate & SYNCHRONISED:
        return None
    scale, multiplier = estimate >> 8 & LARGEST_SCALE, estimate & LARGEST_MULTIPLIER
    return float(multiplier * 2.0 ** (scale - FRACTION_BITS))


def _is_proved(key: bytes, packet: bytes) -> bool:
    if len(packet) < PACKET_BYTES:
        return False
    code = sign(key, packet[:HEADER_BYTES])
    return hmac.compare_digest(code, packet[HEADER_BYTES:PACKET_BYTES])
