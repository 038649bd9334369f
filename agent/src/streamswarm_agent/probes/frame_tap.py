"""The frames of one flow as this host's interfaces get them, with what stood in their VLAN tags.

The kernel takes the tag off before a UDP socket sees the packet. A packet socket beside it is told
what stood there, whether the kernel or the adapter took it off; a filter in the kernel leaves it
nothing but the flow. Sources: IEEE 802.1Q clause 9.6, packet(7), include/uapi/linux/if_packet.h.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from streamswarm_agent.probes.datagram_socket import RECEIVE_BATCH, Ancillary

SOL_PACKET, PACKET_AUXDATA = 263, 8
SO_ATTACH_FILTER = 26
ETH_P_ALL = 0x0003
AUXDATA = struct.Struct("=IIIHHHH")
TAG_IS_VALID = 1 << 4
PRIORITY_SHIFT, VLAN_MASK = 13, 0x0FFF
FRAME_BYTES = 2048
ANCILLARY_BYTES = 128
UDP = 17
UDP_BYTES, IPV6_BYTES = 8, 40
UDP_LENGTH = struct.Struct("!4xH")
IPV4_PROTOCOL, IPV6_PROTOCOL = 0x0800, 0x86DD
OUTGOING = 4
FRAGMENT_OFFSET = 0x1FFF

INSTRUCTION = struct.Struct("=HBBI")
PROGRAM = struct.Struct("@HP")
LOAD_WORD, LOAD_HALF, LOAD_BYTE = 0x20, 0x28, 0x30
LOAD_HALF_BEHIND_HEADER, MEASURE_HEADER = 0x48, 0xB1
IF_EQUAL, IF_ANY_BIT, RETURN = 0x15, 0x45, 0x06
KIND_OF_PACKET, PROTOCOL_OF_PACKET = 0xFFFFF004, 0xFFFFF000
"""Where the kernel shows a filter what is not in the packet (SKF_AD_PKTTYPE, SKF_AD_PROTOCOL)."""


@dataclass(frozen=True, slots=True)
class Flow:
    """UDP packets that arrive from an IP address and port at a port of this host."""

    address: str
    port: int
    own_port: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What a UDP packet carries; `priority` is 0 to 7, and None, as `vlan`, without a tag.

    A VLAN of 0: the tag gives a priority alone.
    """

    payload: bytes
    priority: int | None = None
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction of a filter; a check sends packets away that fail it, or that pass it."""

    code: int
    value: int
    is_needed: bool | None = None


TapOpener = Callable[[Flow], socket.socket]


def open_tap(flow: Flow) -> socket.socket:
    """A non-blocking packet socket for the flow alone, which needs CAP_NET_RAW. Raises: OSError."""
    family = getattr(socket, "AF_PACKET", None)
    if sys.platform != "linux" or family is None:
        raise OSError("only Linux offers this")
    # On all interfaces and before all protocols: later the kernel has forgotten the tag.
    opened = socket.socket(family, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    try:
        opened.setblocking(False)
        attach_filter(opened, build_filter(flow))
        opened.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        with suppress(BlockingIOError):
            # What came between the opening and the filter is of anybody.
            while opened.recv(FRAME_BYTES):
                continue
    except OSError:
        opened.close()
        raise
    return opened


def attach_filter(opened: socket.socket, program: bytes) -> None:
    """Let the kernel drop what the program does not let through. Raises: OSError."""
    held = ctypes.create_string_buffer(program, len(program))
    count = len(program) // INSTRUCTION.size
    pointer = PROGRAM.pack(count, ctypes.addressof(held))
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def build_filter(flow: Flow) -> bytes:
    """The classic BPF program that lets through what arrives of the flow, fragments left out."""
    steps = [
        Step(LOAD_WORD, KIND_OF_PACKET),
        Step(IF_EQUAL, OUTGOING, is_needed=False),
        Step(LOAD_WORD, PROTOCOL_OF_PACKET),
        *(_match_ipv6(flow) if ":" in flow.address else _match_ipv4(flow)),
    ]
    program = b""
    for place, step in enumerate(steps):
        # Behind the last step the packet is taken, behind that it is dropped.
        away = len(steps) - place
        jumps = {None: (0, 0), True: (0, away), False: (away, 0)}[step.is_needed]
        program += INSTRUCTION.pack(step.code, *jumps, step.value)
    taken, dropped = (INSTRUCTION.pack(RETURN, 0, 0, size) for size in (FRAME_BYTES, 0))
    return program + taken + dropped


def receive_frames(opened: socket.socket) -> Iterator[Frame]:
    """What lies in the tap now, up to a batch. Raises: OSError, as of an interface gone down."""
    for _ in range(RECEIVE_BATCH):
        try:
            packet, ancillary, *_ = opened.recvmsg(FRAME_BYTES, ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        frame = read_frame(packet, ancillary)
        if frame is not None:
            yield frame


def read_frame(packet: bytes, ancillary: Ancillary) -> Frame | None:
    """The frame by its packet, from the IP header on, and what the kernel says beside it.

    None for less than a whole UDP header.
    """
    if not packet:
        return None
    is_ipv4 = packet[0] >> 4 == 4  # noqa: PLR2004 - the IP version
    start = (packet[0] & 0x0F) * 4 if is_ipv4 else IPV6_BYTES
    if len(packet) < start + UDP_BYTES:
        return None
    # What follows filled a short frame up.
    (size,) = UDP_LENGTH.unpack_from(packet, start)
    payload = packet[start + UDP_BYTES : start + size]
    for level, kind, content in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and len(content) >= AUXDATA.size:
            status, _, _, _, _, tag, _ = AUXDATA.unpack_from(content)
            if status & TAG_IS_VALID:
                return Frame(payload, tag >> PRIORITY_SHIFT, tag & VLAN_MASK)
    return Frame(payload)


def _match_ipv4(flow: Flow) -> Sequence[Step]:
    return [
        Step(IF_EQUAL, IPV4_PROTOCOL, is_needed=True),
        Step(LOAD_BYTE, 9),
        Step(IF_EQUAL, UDP, is_needed=True),
        Step(LOAD_HALF, 6),
        Step(IF_ANY_BIT, FRAGMENT_OFFSET, is_needed=False),
        Step(LOAD_WORD, 12),
        Step(IF_EQUAL, int.from_bytes(socket.inet_aton(flow.address)), is_needed=True),
        Step(MEASURE_HEADER, 0),
        Step(LOAD_HALF_BEHIND_HEADER, 0),
        Step(IF_EQUAL, flow.port, is_needed=True),
        Step(LOAD_HALF_BEHIND_HEADER, 2),
        Step(IF_EQUAL, flow.own_port, is_needed=True),
    ]


def _match_ipv6(flow: Flow) -> Sequence[Step]:
    source = socket.inet_pton(socket.AF_INET6, flow.address.partition("%")[0])
    words = [
        step
        for place, (word,) in enumerate(struct.iter_unpack("!I", source))
        for step in (Step(LOAD_WORD, 8 + 4 * place), Step(IF_EQUAL, word, is_needed=True))
    ]
    return [
        Step(IF_EQUAL, IPV6_PROTOCOL, is_needed=True),
        Step(LOAD_BYTE, 6),
        Step(IF_EQUAL, UDP, is_needed=True),
        *words,
        Step(LOAD_HALF, IPV6_BYTES),
        Step(IF_EQUAL, flow.port, is_needed=True),
        Step(LOAD_HALF, IPV6_BYTES + 2),
        Step(IF_EQUAL, flow.own_port, is_needed=True),
    ]
