"""What a packet socket shows: the kernel's filter on loopback, and recorded frames with tags."""

import json
import socket
import struct
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from streamswarm_agent.probes.frame_tap import (
    AUXDATA,
    PACKET_AUXDATA,
    SOL_PACKET,
    Flow,
    Frame,
    build_filter,
    open_tap,
    read_frame,
    receive_frames,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "tagged_frames"
RECORDED = [
    (
        bytes.fromhex(frame["packet"]),
        [(level, kind, bytes.fromhex(content)) for level, kind, content in frame["ancillary"]],
    )
    for frame in json.loads((FIXTURES / "answers.json").read_text())["frames"]
]
# Of the switch that they came from, by DSCP.
PRIORITIES = {0: 1, 46: 5}
UDP_START = 20
TAG_IS_VALID = 1 << 4


def write_auxdata(status, tag):
    return [(SOL_PACKET, PACKET_AUXDATA, AUXDATA.pack(status, 0, 0, 0, 0, tag, 0x8100))]


@pytest.mark.parametrize(("packet", "ancillary"), RECORDED)
def test_a_recorded_frame_has_the_priority_of_its_class(packet, ancillary):
    frame = read_frame(packet, ancillary)
    assert (frame.priority, frame.vlan) == (PRIORITIES[packet[1] >> 2], 0)
    assert frame.payload == packet[UDP_START + 8 :]


def test_a_tag_has_three_bits_of_priority_and_twelve_of_vlan():
    packet, _ = RECORDED[0]
    frame = read_frame(packet, write_auxdata(TAG_IS_VALID, 7 << 13 | 1 << 12 | 4094))
    assert (frame.priority, frame.vlan) == (7, 4094)


@pytest.mark.parametrize(
    "ancillary",
    [
        [],
        write_auxdata(0, 5 << 13),
        [(SOL_PACKET, PACKET_AUXDATA, b"\xff" * 19)],
        [(socket.SOL_SOCKET, PACKET_AUXDATA, b"\xff" * 20)],
    ],
    ids=["nothing beside it", "a tag that is not valid", "too short", "of another level"],
)
def test_without_a_tag_there_is_no_priority(ancillary):
    packet, _ = RECORDED[0]
    assert read_frame(packet, ancillary) == Frame(packet[UDP_START + 8 :])


def test_what_fills_a_short_frame_up_is_no_payload():
    short = bytearray(RECORDED[0][0][: UDP_START + 8 + 3])
    struct.pack_into("!H", short, UDP_START + 4, 8 + 3)
    assert read_frame(bytes(short) + bytes(20), []).payload == short[-3:]


@pytest.mark.parametrize("length", range(len(RECORDED[0][0])))
@pytest.mark.parametrize("version", [4, 6, 15])
def test_no_length_of_a_frame_is_too_odd(length, version):
    packet, ancillary = RECORDED[0]
    cut = bytes([version << 4 | packet[0] & 0x0F]) + packet[1:]
    frame = read_frame(cut[:length], ancillary)
    assert (frame is None) == (length < (UDP_START if version == 4 else 40) + 8)


@pytest.fixture
def tap_of(may_tap):
    """Opens a tap that closes with the test."""
    with ExitStack() as opened:
        yield lambda flow: opened.enter_context(open_tap(flow))


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_the_filter_lets_through_what_arrives_of_the_flow_alone(tap_of, family, address):
    def open_end():
        end = socket.socket(family, socket.SOCK_DGRAM)
        end.bind((address, 0))
        return closing(end)

    with open_end() as own, open_end() as other_own, open_end() as peer, open_end() as stranger:
        flow = Flow(address, peer.getsockname()[1], own.getsockname()[1])
        tap = tap_of(flow)
        peer.sendto(b"first", own.getsockname()[:2])
        stranger.sendto(b"another port", own.getsockname()[:2])
        peer.sendto(b"to another port", other_own.getsockname()[:2])
        own.sendto(b"the way there", peer.getsockname()[:2])
        peer.sendto(b"last", own.getsockname()[:2])
        # Over loopback a packet has arrived when it is sent.
        assert list(receive_frames(tap)) == [Frame(b"first"), Frame(b"last")]


def test_a_filter_of_another_address_lets_nothing_through(tap_of):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as own:
        own.bind(("127.0.0.1", 0))
        port = own.getsockname()[1]
        tap = tap_of(Flow("127.0.0.2", port, port))
        own.sendto(b"to itself", own.getsockname())
        assert list(receive_frames(tap)) == []


def test_a_zone_is_no_part_of_the_address():
    assert build_filter(Flow("fe80::1%eth0", 1, 2)) == build_filter(Flow("fe80::1", 1, 2))


def test_a_system_without_packet_sockets_says_so(monkeypatch):
    monkeypatch.delattr(socket, "AF_PACKET", raising=False)
    with pytest.raises(OSError, match="only Linux"):
        open_tap(Flow("127.0.0.1", 1, 2))
