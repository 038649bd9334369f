"""The probe over loopback, and its figures for paths that were made up."""

import errno
import socket
import struct

import pytest

from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.icmp_socket import IS_LINUX
from streamswarm_agent.probes.mtu import MtuProbe, find_link
from streamswarm_agent.probes.mtu_mss import parse_send_mss, read_received_mss
from streamswarm_agent.probes.mtu_report import Inquiry, Link, describe_inquiry, measure_mtu
from streamswarm_agent.probes.mtu_socket import Delivery

linux_only = pytest.mark.skipif(not IS_LINUX, reason="only Linux keeps errors")
LINK = Link("eth0", 1500)


def inquire(**found):
    return Inquiry("192.0.2.9", "udp", LINK, 1500, **found)


@linux_only
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("method", ["udp", "icmp"])
async def test_loopback_carries_what_a_packet_can_hold(
    clock, resolver, request_for, measure, closed_port, address, method
):
    request = request_for("mtu", address, duration_seconds=30, method=method, udp_port=closed_port)
    try:
        found = await measure(MtuProbe(clock, resolver), request)
    except ProbeFailed as error:
        pytest.skip(str(error))
    assert found.outcome.values["path.mtu"] == 65_535
    assert found.outcome.values["path.mtu.blackhole"] == 0
    assert found.outcome.document["link"]["name"] == "lo"
    assert found.outcome.absent == {"path.mtu.hop": "N", "path.mss.received": "N"}


@linux_only
async def test_the_largest_size_asked_for_is_an_upper_limit(
    clock, resolver, request_for, measure, closed_port
):
    request = request_for(
        "mtu", "127.0.0.1", duration_seconds=30, method="udp", udp_port=closed_port,
        highest_bytes=1400,
    )  # fmt: skip
    found = await measure(MtuProbe(clock, resolver), request)
    assert found.outcome.values["path.mtu"] == 1400
    assert max(one["size"] for one in found.outcome.document["tried"]) == 1400


async def test_silence_is_a_result_and_no_size(clock, resolver, request_for, measure):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        request = request_for(
            "mtu", "127.0.0.1", duration_seconds=5, method="udp", timeout_seconds=0.05,
            udp_port=silent.getsockname()[1],
        )  # fmt: skip
        found = await measure(MtuProbe(clock, resolver), request)
    assert not found.outcome.is_success
    assert found.outcome.absent["path.mtu"] == "T"
    assert "no answer from 127.0.0.1" in found.outcome.reason


async def test_a_refused_target_gets_no_packet(clock, make_resolver, request_for):
    resolver = make_resolver(refused=frozenset({"169.254.169.254"}))
    with pytest.raises(TargetRefused):
        await MtuProbe(clock, resolver).run(request_for("mtu", "169.254.169.254"), None)


async def test_a_name_without_address_is_a_result(clock, resolver, request_for, measure):
    found = await measure(MtuProbe(clock, resolver), request_for("mtu", "nowhere.example"))
    assert found.outcome.reason == "no address for nowhere.example"
    assert found.outcome.absent["path.mtu"] == "T"


async def test_without_a_socket_the_reason_names_each_that_was_tried(clock, resolver, request_for):
    def deny(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with pytest.raises(ProbeFailed, match=r"icmp_datagram: .*icmp_raw: .*udp: "):
        await MtuProbe(clock, resolver, open_socket=deny).run(request_for("mtu", "127.0.0.1"), None)


async def test_the_segment_size_of_a_listening_target_is_read(
    clock, resolver, request_for, measure, web_server, closed_port
):
    port = await web_server(lambda _, writer: writer.close())
    request = request_for(
        "mtu", "127.0.0.1", duration_seconds=30, method="udp", udp_port=closed_port, tcp_port=port,
        highest_bytes=1400,
    )  # fmt: skip
    found = await measure(MtuProbe(clock, resolver), request)
    assert found.outcome.values["path.mss.received"] > 1400
    assert await read_received_mss("127.0.0.1", closed_port, 1.0) is None


@pytest.mark.parametrize(
    ("options", "size", "expected"), [(0x07, 1448, 1460), (0x06, 1460, 1460), (0x01, 524, 536)]
)
def test_the_room_of_time_stamps_belongs_to_the_segment_size(options, size, expected):
    information = struct.pack("=5xB10xI", options, size)
    assert parse_send_mss(information) == expected
    assert parse_send_mss(information[:10]) is None


def test_a_limit_with_a_router_s_word():
    said = [Delivery("too_big", "192.0.2.1", 1400), Delivery("too_big", "192.0.2.5", 1300)]
    inquiry = inquire(mtu_bytes=1300, said=said, hop=3)
    assert measure_mtu(inquiry) == {
        "path.mtu": 1300,
        "path.mtu.icmp": 1300,
        "path.mtu.blackhole": 0,
        "path.mtu.hop": 3,
        "path.mss.received": "N",
    }
    document = describe_inquiry(inquiry)
    assert document["router"] == {"address": "192.0.2.5", "mtu": 1300}
    assert document["mss"] == 1260


def test_a_black_hole_is_named_with_the_sizes_that_vanish():
    inquiry = inquire(mtu_bytes=1300, lost_bytes={1301, 1350, 1500, 1250})
    measures = measure_mtu(inquiry)
    assert (measures["path.mtu.blackhole"], measures["path.mtu.icmp"]) == (1, "T")
    assert measures["path.mtu.hop"] == "T"
    assert describe_inquiry(inquiry)["vanished"] == [1301, 1500]


def test_a_search_cut_short_has_no_size():
    inquiry = inquire(tried=[{"verdict": "delivered"}])
    assert measure_mtu(inquiry)["path.mtu"] == "I"


@linux_only
def test_the_link_is_found_by_its_address():
    assert find_link("127.0.0.1").name == "lo"
    assert find_link("::1").mtu_bytes == find_link("127.0.0.1").mtu_bytes
    assert find_link("192.0.2.250") is None
