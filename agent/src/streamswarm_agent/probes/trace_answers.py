"""What comes back for a probe whose hops run out, and the labels that routers add to it.

Sources: RFC 792, RFC 4443, RFC 4884 (extensions of ICMP), RFC 4950 (their MPLS labels).
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamswarm_agent.probes.error_queue import PacketError
from streamswarm_agent.probes.icmp_packet import ERROR_TEXTS, Family, internet_checksum

Verdict = Literal["passed", "reached", "refused"]

TIME_EXCEEDED = {socket.AF_INET: 11, socket.AF_INET6: 3}
UNREACHABLE = {socket.AF_INET: 3, socket.AF_INET6: 1}
PORT_UNREACHABLE = {socket.AF_INET: (3, 3), socket.AF_INET6: (1, 4)}
PROTOCOL_UNREACHABLE = (3, 2)

QUOTED_BYTES = 128
"""What RFC 4884 has routers quote before an extension, also those that do not say its place."""
EXTENSION_VERSION = 2
EXTENSION_HEADER = struct.Struct("!BxH")
OBJECT_HEADER = struct.Struct("!HBB")
LABEL_ENTRY = struct.Struct("!I")
MPLS_STACK = (1, 1)
MOST_LABELS = 16


@dataclass(frozen=True, slots=True)
class Label:
    """An entry of the MPLS label stack under which a router got the probe (RFC 3032)."""

    label: int
    traffic_class: int
    ttl: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered a probe, after how long, and what that says.

    `passed`: a router at which its hops ran out. `reached`: the target. `refused`: somebody on
    the way says that it leads no further, `text` why. `is_altered`: the quoted packet is not the
    one sent; None where the quote does not show that.
    `stamp_delay_seconds`: how much later than the kernel the program saw the answer.
    """

    address: str
    seconds: float
    verdict: Verdict
    text: str = ""
    received_ttl: int | None = None
    labels: tuple[Label, ...] = ()
    is_altered: bool | None = None
    stamp_delay_seconds: float | None = None


def judge_error(family: Family, error: PacketError, target: str) -> tuple[Verdict, str] | None:
    """The verdict and text of an ICMP error about a probe; None for one that says nothing here."""
    if error.origin != "icmp":
        return None
    if error.kind == TIME_EXCEEDED[family]:
        return "passed", ""
    text = ERROR_TEXTS.get((family, error.kind, error.code), "")
    if error.kind != UNREACHABLE[family]:
        return None
    is_end = (error.kind, error.code) == PORT_UNREACHABLE[family] or (
        family == socket.AF_INET and (error.kind, error.code) == PROTOCOL_UNREACHABLE
    )
    if is_end or error.offender == target:
        return "reached", "" if is_end else text
    return "refused", text or f"ICMP error {error.kind}/{error.code}"


def read_labels(quoted: bytes, said_offset: int, header_bytes: int) -> tuple[Label, ...]:
    """The MPLS labels in the extension of an ICMP error, outermost first; none without one.

    `quoted` begins `header_bytes` behind the start of the quoted IP packet. The extension begins
    at `said_offset` or, when that is 0, where routers older than RFC 4884 put it; its checksum
    must hold.
    """
    extension = quoted[said_offset or QUOTED_BYTES - header_bytes :]
    if len(extension) < EXTENSION_HEADER.size:
        return ()
    version, checksum = EXTENSION_HEADER.unpack_from(extension)
    if version >> 4 != EXTENSION_VERSION or (checksum and internet_checksum(extension)):
        return ()
    return tuple(
        label
        for kind, content in _list_objects(extension[EXTENSION_HEADER.size :])
        if kind == MPLS_STACK
        for label in _list_labels(content)
    )[:MOST_LABELS]


def _list_objects(content: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    while len(content) >= OBJECT_HEADER.size:
        length, class_number, kind = OBJECT_HEADER.unpack_from(content)
        if not OBJECT_HEADER.size <= length <= len(content):
            return
        yield (class_number, kind), content[OBJECT_HEADER.size : length]
        content = content[length:]


def _list_labels(content: bytes) -> Iterator[Label]:
    whole = len(content) - len(content) % LABEL_ENTRY.size
    for (entry,) in LABEL_ENTRY.iter_unpack(content[:whole]):
        yield Label(entry >> 12, entry >> 9 & 7, entry & 0xFF)
