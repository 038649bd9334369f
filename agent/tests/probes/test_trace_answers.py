"""Verdicts of ICMP errors, and MPLS labels as RFC 4884 and RFC 4950 lay them out."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.error_queue import PacketError
from streamswarm_agent.probes.icmp_packet import internet_checksum
from streamswarm_agent.probes.trace_answers import Label, judge_error, read_labels

TARGET = {socket.AF_INET: "198.51.100.9", socket.AF_INET6: "2001:db8::9"}
ROUTER = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
IPV4_AND_UDP_BYTES = 28
# RFC 4950 section 3: an object of class 1, type 1, with a stack of labels 24001 and 17.
STACK = bytes.fromhex("000c0101" + "05dc1001" + "00011101")


def extend(objects, version=0x20):
    blank = bytes([version, 0, 0, 0]) + objects
    return blank[:2] + struct.pack("!H", internet_checksum(blank)) + objects


def error(family, kind, code, *, offender=None, origin="icmp"):
    return PacketError(origin, kind, code, offender or ROUTER[family], b"")


@pytest.mark.parametrize(
    ("family", "kind", "code", "expected"),
    [
        (socket.AF_INET, 11, 0, ("passed", "")),
        (socket.AF_INET6, 3, 0, ("passed", "")),
        (socket.AF_INET, 3, 3, ("reached", "")),
        (socket.AF_INET6, 1, 4, ("reached", "")),
        (socket.AF_INET, 3, 2, ("reached", "")),
        (socket.AF_INET, 3, 1, ("refused", "host unreachable")),
        (socket.AF_INET, 3, 13, ("refused", "communication prohibited")),
        (socket.AF_INET6, 1, 0, ("refused", "no route to destination")),
        (socket.AF_INET6, 1, 6, ("refused", "ICMP error 1/6")),
        (socket.AF_INET, 5, 1, None),
        (socket.AF_INET6, 2, 0, None),
    ],
)
def test_a_router_s_word_is_judged(family, kind, code, expected):
    assert judge_error(family, error(family, kind, code), TARGET[family]) == expected


def test_a_refusal_by_the_target_itself_reaches_it():
    said = error(socket.AF_INET, 3, 13, offender=TARGET[socket.AF_INET])
    judged = judge_error(socket.AF_INET, said, TARGET[socket.AF_INET])
    assert judged == ("reached", "communication prohibited")


def test_an_error_of_this_host_is_no_answer():
    said = error(socket.AF_INET, 0, 0, origin="local")
    assert judge_error(socket.AF_INET, said, TARGET[socket.AF_INET]) is None


@pytest.mark.parametrize("said_offset", [0, 100], ids=["before RFC 4884", "RFC 4884"])
def test_labels_are_read_where_routers_put_them(said_offset):
    quoted = b"probe".ljust(100, b"\0") + extend(STACK)
    labels = read_labels(quoted, said_offset, IPV4_AND_UDP_BYTES)
    assert labels == (Label(24001, 0, 1), Label(17, 0, 1))


def test_other_objects_in_front_of_the_labels_are_passed_over():
    interface = bytes.fromhex("0008020f") + b"\0\0\0\1"
    quoted = b"".ljust(100, b"\0") + extend(interface + STACK)
    assert [one.label for one in read_labels(quoted, 0, IPV4_AND_UDP_BYTES)] == [24001, 17]


@pytest.mark.parametrize(
    "extension",
    [
        b"",
        b"\x20",
        extend(STACK, version=0x10),
        extend(STACK)[:-1] + b"\xff",
        extend(bytes.fromhex("00030101") + STACK),
        extend(bytes.fromhex("ffff0101") + STACK),
    ],
    ids=["none", "cut", "version 1", "damaged", "object too short", "object too long"],
)
def test_what_is_no_sound_extension_has_no_labels(extension):
    assert read_labels(b"".ljust(100, b"\0") + extension, 0, IPV4_AND_UDP_BYTES) == ()


@given(st.binary(max_size=200), st.integers(0, 65_535), st.sampled_from([20, 28, 40, 48]))
def test_no_bytes_of_a_router_break_the_reader(quoted, said_offset, header_bytes):
    for label in read_labels(quoted, said_offset, header_bytes):
        assert 0 <= label.label < 1 << 20
        assert 0 <= label.traffic_class < 8
        assert 0 <= label.ttl < 256


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_every_stack_is_read_as_written_up_to_its_sixteenth_label(entries):
    content = struct.pack(f"!{len(entries)}I", *entries)
    quoted = b"".ljust(100, b"\0") + extend(struct.pack("!HBB", 4 + len(content), 1, 1) + content)
    labels = read_labels(quoted, 100, IPV4_AND_UDP_BYTES)
    assert [one.label for one in labels] == [entry >> 12 for entry in entries[:16]]
