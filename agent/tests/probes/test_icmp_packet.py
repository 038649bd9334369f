import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.icmp_packet import (
    EchoError,
    EchoPayloads,
    EchoReply,
    echo_request,
    internet_checksum,
    parse_message,
)

# Recorded from raw sockets between two hosts; the second and fourth come from a router.
REPLY = bytes.fromhex(
    "45000034787200004001ee520a0100020a0100010000510012340007"
    "636f6f6b6965212100000000000000070d8a52fc70936e42"
)
HOST_UNREACHABLE = bytes.fromhex(
    "45c00050787300004001ed750a0100020a0100010301fcfe00000000"
    "450000347d8340004001a9390a0100010a02000908004900123400076"
    "36f6f6b6965212100000000000000070d8a52fc70936e42"
)
REPLY_V6 = bytes.fromhex("8100d59e12340007636f6f6b6965212100000000000000070d8a52fc70936e42")
NO_ROUTE_V6 = bytes.fromhex(
    "0100104c0000000060025a1a00203a40fd010000000000000000000000000001fd02000000000000"
    "00000000000000098000d69612340007636f6f6b6965212100000000000000070d8a52fc70936e42"
)
PAYLOADS = EchoPayloads.of_size(b"cookie!!", 24)
FAMILIES = st.sampled_from([socket.AF_INET, socket.AF_INET6])


def test_the_checksum_is_that_of_the_example_in_rfc_1071():
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7220d")) == 0


@pytest.mark.parametrize(
    ("family", "packet"), [(socket.AF_INET, REPLY), (socket.AF_INET6, REPLY_V6)]
)
def test_a_recorded_reply_is_read(family, packet):
    assert parse_message(family, packet) == EchoReply(0x1234, 7, PAYLOADS.payload(7), True)


def test_a_reply_without_ip_header_as_datagram_sockets_give_it_is_read():
    assert parse_message(socket.AF_INET, REPLY[20:]) == parse_message(socket.AF_INET, REPLY)


@pytest.mark.parametrize(
    ("family", "packet", "destination", "text"),
    [
        (socket.AF_INET, HOST_UNREACHABLE, "10.2.0.9", "host unreachable"),
        (socket.AF_INET6, NO_ROUTE_V6, "fd02::9", "no route to destination"),
    ],
)
def test_a_recorded_error_names_the_request_it_is_about(family, packet, destination, text):
    assert parse_message(family, packet) == EchoError(destination, 0x1234, 7, text)


def test_an_error_about_another_protocol_is_not_ours():
    about_udp = bytearray(HOST_UNREACHABLE)
    about_udp[28 + 9] = socket.IPPROTO_UDP
    assert parse_message(socket.AF_INET, bytes(about_udp)) is None


def test_a_damaged_reply_is_told_by_its_checksum():
    damaged = bytearray(REPLY)
    damaged[-1] ^= 0x01
    assert parse_message(socket.AF_INET, bytes(damaged)).is_intact is False


def test_our_own_requests_are_not_taken_for_replies():
    request = echo_request(socket.AF_INET, 1, 2, PAYLOADS.payload(2))
    assert parse_message(socket.AF_INET, request) is None
    assert internet_checksum(request) == 0


@given(FAMILIES, st.binary(max_size=200))
def test_no_packet_whatever_upsets_the_reader(family, packet):
    message = parse_message(family, packet)
    assert message is None or isinstance(message, EchoReply | EchoError)


@given(FAMILIES, st.integers(0, 150))
def test_packets_cut_short_do_not_upset_the_reader(family, length):
    packets = {socket.AF_INET: HOST_UNREACHABLE, socket.AF_INET6: NO_ROUTE_V6}
    message = parse_message(family, packets[family][:length])
    assert message is None or isinstance(message, EchoError)


@given(st.integers(16, 9000), st.integers(0, 200_000))
def test_a_payload_has_the_wanted_size_and_names_its_probe(size_bytes, index):
    payloads = EchoPayloads.of_size(b"01234567", size_bytes)
    payload = payloads.payload(index)
    assert len(payload) == size_bytes
    assert payloads.index_of(payload, index & 0xFFFF, index + 1) == index


@given(st.integers(0, 65_535), st.data())
def test_a_reply_with_one_damaged_byte_is_still_known_as_the_runs_own(index, data):
    payload = bytearray(PAYLOADS.payload(index))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    assert PAYLOADS.index_of(bytes(payload), index & 0xFFFF, index + 1) == index


def test_the_reply_to_another_run_is_foreign():
    other = EchoPayloads.of_size(b"another!", 24)
    assert PAYLOADS.index_of(other.payload(0), 0, 1) is None
    assert PAYLOADS.index_of(b"", 0, 1) is None


def test_a_reply_to_a_probe_not_yet_sent_is_foreign():
    forged = EchoPayloads.of_size(b"forged!!", 24).payload(5)
    assert PAYLOADS.index_of(forged, 5, 3) is None
