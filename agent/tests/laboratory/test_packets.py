import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.laboratory.packets import (
    Flow,
    cut,
    may_fragment,
    read_packet,
    refuse_too_big,
    set_traffic_class,
    sum_words,
)

NEAR, FAR, ROUTER = "198.18.0.1", "198.18.0.2", "198.18.0.254"
NEAR6, FAR6, ROUTER6 = "2001:db8::1", "2001:db8::2", "2001:db8::fe"


def ipv4(payload, *, protocol=socket.IPPROTO_UDP, traffic_class=0, fragment=0, destination=FAR):
    addresses = socket.inet_aton(NEAR) + socket.inet_aton(destination)
    head = struct.pack(
        "!BBHHHBBH", 0x45, traffic_class, 20 + len(payload), 7, fragment, 64, protocol, 0
    )
    checksum = ~sum_words(head + addresses) & 0xFFFF
    return head[:10] + checksum.to_bytes(2) + addresses + payload


def ipv6(payload, *, protocol=socket.IPPROTO_UDP, traffic_class=0, destination=FAR6):
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, each) for each in (NEAR6, destination))
    first = 6 << 28 | traffic_class << 20 | 0xABCDE
    return struct.pack("!IHBB", first, len(payload), protocol, 64) + addresses + payload


def udp(source_port=1000, destination_port=2000, content=b"\0\0\0\x05rest"):
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(content), 0) + content


@pytest.mark.parametrize("build", [ipv4, ipv6])
def test_a_udp_packet_tells_its_flow_and_its_number(build):
    packet = read_packet(build(udp()))
    source, destination = (NEAR, FAR) if packet.is_ipv4 else (NEAR6, FAR6)
    assert packet.describe_flow() == Flow("udp", source, 1000, destination, 2000)
    assert packet.tag == 5


def test_an_echo_and_its_reply_have_the_same_tag_and_identifier():
    echo, reply = (
        read_packet(ipv4(struct.pack("!BBHHH", kind, 0, 0, 77, 9), protocol=socket.IPPROTO_ICMP))
        for kind in (8, 0)
    )
    assert echo.tag == reply.tag == 9
    assert echo.describe_flow().source_port == reply.describe_flow().source_port == 77


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x45" * 19, b"\x60" * 39, b"\x50" * 60, ipv4(udp(), destination="224.0.0.1"),
     ipv6(udp(), destination="ff02::2")],
)  # fmt: skip
def test_what_is_no_packet_to_one_host_is_left_alone(raw):
    assert read_packet(raw) is None


@given(before=st.integers(0, 255), after=st.integers(0, 255), content=st.binary(max_size=40))
def test_a_new_traffic_class_leaves_a_right_header_checksum(before, after, content):
    changed = set_traffic_class(
        read_packet(ipv4(udp(content=content), traffic_class=before)), after
    )
    assert sum_words(changed[:20]) == 0xFFFF
    assert changed == ipv4(udp(content=content), traffic_class=after)


@given(before=st.integers(0, 255), after=st.integers(0, 255))
def test_a_new_traffic_class_of_ipv6_leaves_the_rest(before, after):
    changed = set_traffic_class(read_packet(ipv6(udp(), traffic_class=before)), after)
    assert changed == ipv6(udp(), traffic_class=after)


@given(content=st.binary(min_size=600, max_size=3000), mtu=st.integers(576, 600))
def test_fragments_fit_and_hold_the_packet(content, mtu):
    packet = read_packet(ipv4(content))
    pieces = cut(packet, mtu)
    assert all(len(piece) <= mtu and sum_words(piece[:20]) == 0xFFFF for piece in pieces)
    assert b"".join(piece[20:] for piece in pieces) == content
    fields = [int.from_bytes(piece[6:8]) for piece in pieces]
    assert [field & 0x2000 > 0 for field in fields] == [True] * (len(pieces) - 1) + [False]
    starts = [(field & 0x1FFF) * 8 for field in fields]
    assert starts == [sum(len(piece) - 20 for piece in pieces[:n]) for n in range(len(pieces))]


def test_a_fragment_cut_again_keeps_its_place():
    pieces = cut(read_packet(ipv4(bytes(1480), fragment=0x2000 | 185)), 996)
    assert [int.from_bytes(piece[6:8]) for piece in pieces] == [0x2000 | 185, 0x2000 | 307]


def test_only_ipv4_packets_that_allow_it_are_cut():
    assert may_fragment(read_packet(ipv4(udp())))
    assert not may_fragment(read_packet(ipv4(udp(), fragment=0x4000)))
    assert not may_fragment(read_packet(ipv6(udp())))


def test_fragmentation_needed_names_the_mtu_and_quotes_the_packet():
    raw = ipv4(bytes(1400), fragment=0x4000)
    error = refuse_too_big(read_packet(raw), 1300, ROUTER)
    assert sum_words(error[:20]) == sum_words(error[20:]) == 0xFFFF
    assert error[12:20] == socket.inet_aton(ROUTER) + socket.inet_aton(NEAR)
    assert struct.unpack("!BBxxHH", error[20:28]) == (3, 4, 0, 1300)
    assert raw.startswith(error[28:])
    assert len(error) == int.from_bytes(error[2:4]) == 576


def test_packet_too_big_names_the_mtu_and_quotes_the_packet():
    raw = ipv6(bytes(1460))
    error = refuse_too_big(read_packet(raw), 1300, ROUTER6)
    addresses = error[8:40]
    pseudo_header = addresses + struct.pack("!II", len(error) - 40, socket.IPPROTO_ICMPV6)
    assert addresses == b"".join(
        socket.inet_pton(socket.AF_INET6, each) for each in (ROUTER6, NEAR6)
    )
    assert sum_words(pseudo_header + error[40:]) == 0xFFFF
    assert struct.unpack("!BBxxI", error[40:48]) == (2, 0, 1300)
    assert raw.startswith(error[48:])
    assert len(error) == 1280


def test_nobody_is_told_of_an_error_or_a_later_fragment():
    unreachable = struct.pack("!BBHI", 3, 1, 0, 0) + bytes(600)
    about_error = read_packet(ipv4(unreachable, protocol=socket.IPPROTO_ICMP, fragment=0x4000))
    assert refuse_too_big(about_error, 576, ROUTER) is None
    assert refuse_too_big(read_packet(ipv4(bytes(600), fragment=10)), 576, ROUTER) is None
    too_big = struct.pack("!BBHI", 2, 0, 0, 1280) + bytes(600)
    assert refuse_too_big(read_packet(ipv6(too_big, protocol=58)), 576, ROUTER6) is None
