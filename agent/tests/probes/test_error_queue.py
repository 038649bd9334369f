"""What the kernel says of ICMP errors, as bytes put together after its headers."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.error_queue import (
    IP_TTL,
    IPV6_HOPLIMIT,
    PacketError,
    keep_errors,
    parse_error,
    read_errors,
    with_ttl,
)
from streamswarm_agent.probes.icmp_socket import (
    EXTENDED_ERROR,
    IP_RECVERR,
    IPV6_RECVERR,
    IS_LINUX,
    SO_TIMESTAMPNS,
    TIMESPEC,
)

linux_only = pytest.mark.skipif(not IS_LINUX, reason="only Linux keeps errors")
FROM_V4 = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"))
FROM_V6 = struct.pack(
    "=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::1"), 0
)


def describe(origin, kind, code, *, mtu_bytes=0, offset=0, offender=FROM_V4, is_ipv4=True):
    head = EXTENDED_ERROR.pack(113, origin, kind, code, 0, mtu_bytes, offset) + offender
    if is_ipv4:
        return (socket.IPPROTO_IP, IP_RECVERR, head)
    return (socket.IPPROTO_IPV6, IPV6_RECVERR, head)


def test_an_expired_hop_is_read_with_its_ttl_and_stamp():
    stamp = (socket.SOL_SOCKET, SO_TIMESTAMPNS, TIMESPEC.pack(1700000000, 5))
    ttl = (socket.IPPROTO_IP, IP_TTL, struct.pack("=i", 62))
    assert parse_error(b"quoted", [stamp, ttl, describe(2, 11, 0, offset=100)]) == PacketError(
        origin="icmp", kind=11, code=0, offender="192.0.2.1", quoted=b"quoted", received_ttl=62,
        kernel_nanoseconds=1_700_000_000_000_000_005, extension_offset=100,
    )  # fmt: skip


def test_a_packet_too_big_of_ipv6_names_its_mtu():
    limit = (socket.IPPROTO_IPV6, IPV6_HOPLIMIT, struct.pack("=i", 255))
    said = describe(3, 2, 0, mtu_bytes=1280, offender=FROM_V6, is_ipv4=False)
    error = parse_error(b"", [said, limit])
    assert (error.offender, error.mtu_bytes, error.received_ttl) == ("2001:db8::1", 1280, 255)


def test_an_error_of_the_host_itself_has_no_offender():
    error = parse_error(b"", [describe(1, 0, 0, mtu_bytes=1500, offender=struct.pack("=H14x", 0))])
    assert (error.origin, error.offender, error.received_ttl) == ("local", "", None)


@pytest.mark.parametrize(
    "ancillary",
    [
        [],
        [(socket.IPPROTO_IP, IP_RECVERR, b"short")],
        [(socket.IPPROTO_IP, IP_TTL, struct.pack("=i", 3))],
        [describe(4, 0, 0)],
    ],
)
def test_what_is_no_icmp_error_is_left_out(ancillary):
    assert parse_error(b"", ancillary) is None


@given(st.binary(max_size=60), st.binary(max_size=64))
def test_no_bytes_of_a_kernel_break_the_reader(content, quoted):
    error = parse_error(quoted, [(socket.IPPROTO_IP, IP_RECVERR, content)])
    assert error is None or error.quoted == quoted


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_closed_port_and_an_expired_hop_come_over_the_real_queue(host, closed_port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.settimeout(5)
        keep_errors(opened)
        opened.connect((host, closed_port))
        opened.sendmsg([b"probe"], [with_ttl(family, 1)])
        with pytest.raises(ConnectionRefusedError):
            opened.recv(1)
        opened.setblocking(False)
        (error,) = read_errors(opened)
    assert error.quoted == b"probe"
    assert error.offender == host
    assert (error.kind, error.code) == ((3, 3) if family == socket.AF_INET else (1, 4))
    assert error.received_ttl == 64
    assert error.kernel_nanoseconds
