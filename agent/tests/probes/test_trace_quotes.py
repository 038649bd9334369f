import asyncio
import socket
import struct
from dataclasses import replace

import pytest

from streamswarm_agent.probes.icmp_socket import IS_LINUX
from streamswarm_agent.probes.trace import TraceProbe
from streamswarm_agent.probes.trace_answers import Answer
from streamswarm_agent.probes.trace_path import Trial
from streamswarm_agent.probes.trace_quotes import MOST_ROUTERS, Quote, Quotes, read_quote
from streamswarm_agent.probes.trace_report import measure_marking, survey_trials

KEY = "qos.dscp.hop_changed{dscp=46}"
FAST = {"wait_seconds": 0.5, "packets_per_second": 1000, "resolve_names": False, "queries": 1}
TARGET = {socket.AF_INET: "192.0.2.9", socket.AF_INET6: "2001:db8::9"}


def quote(family, *, traffic_class, protocol=17, content=b"\x9c\x40\x82\x9a", kind=None):
    address = socket.inet_pton(family, TARGET[family])
    if family == socket.AF_INET:
        inner = struct.pack("!BBHHHBBH4s", 0x45, traffic_class, 60, 0, 0, 1, protocol, 0, bytes(4))
        outer = bytes([0x45]) + bytes(19)
        return outer + bytes([kind or 11]) + bytes(7) + inner + address + content
    first = (6 << 28 | traffic_class << 20).to_bytes(4)
    inner = first + struct.pack("!HBB", 12, protocol, 1) + bytes(16)
    return bytes([kind or 3]) + bytes(7) + inner + address + content


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_quoted_header_tells_target_port_and_dscp(family):
    found = read_quote(family, quote(family, traffic_class=46 << 2 | 1))
    assert found == Quote(TARGET[family], 40_000, 46)


def test_of_an_echo_request_the_identifier_stands_for_the_port():
    content = bytes([8, 0, 0, 0]) + b"\x9c\x41"
    packet = quote(socket.AF_INET, traffic_class=0, protocol=1, content=content)
    assert read_quote(socket.AF_INET, packet).port == 40_001


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_what_is_no_error_or_quotes_too_little_is_no_quote(family):
    whole = quote(family, traffic_class=0)
    for length in range(len(whole) - 2):
        assert read_quote(family, whole[:length]) is None
    assert read_quote(family, quote(family, traffic_class=0, kind=129)) is None


def test_the_value_most_often_seen_counts_and_routers_are_bounded():
    quotes = Quotes()
    for dscp in (46, 0, 0):
        quotes.note("192.0.2.1", dscp)
    for number in range(MOST_ROUTERS + 5):
        quotes.note(f"router {number}", 0)
    assert quotes.dscps["192.0.2.1"] == 0
    assert len(quotes.dscps) == MOST_ROUTERS


def test_without_any_answer_nobody_can_tell():
    assert measure_marking(survey_trials([], 1), 46) == {KEY: "T"}


def found_survey():
    return survey_trials([Trial(0, 1, Answer("192.0.2.1", 0.01, "passed"))], 1)


@pytest.mark.skipif(not IS_LINUX, reason="only Linux keeps errors")
async def test_a_host_that_may_not_see_headers_says_that_it_lacks_the_privilege(
    clock, resolver, request_for, measure
):
    def refuse(_family, _method):
        raise PermissionError(1, "Operation not permitted")

    probe = TraceProbe(clock, resolver, open_quotes=refuse)
    found = await measure(probe, request_for("trace", "127.0.0.1", dscp=46, **FAST))
    assert found.outcome.absent[KEY] == "P"


@pytest.mark.skipif(not IS_LINUX, reason="only Linux keeps errors")
async def test_what_a_hop_quotes_is_compared_with_what_was_sent(
    clock, resolver, request_for, measure
):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    class Heard(socket.socket):
        def recvmsg(self, *arguments):
            packet, ancillary, flags, _ = super().recvmsg(*arguments)
            return packet, ancillary, flags, ("127.0.0.1", 0)

    heard = Heard(fileno=ours.detach())
    heard.setblocking(False)
    address = socket.inet_aton("127.0.0.1")

    def open_socket(family, kind, protocol):
        opened = socket.socket(family, kind, protocol)
        asyncio.get_running_loop().call_soon(tell, opened)
        return opened

    def tell(opened):
        port = struct.pack("!H", opened.getsockname()[1])
        packet = quote(socket.AF_INET, traffic_class=8 << 2, content=port + bytes(2))
        theirs.send(packet.replace(socket.inet_aton(TARGET[socket.AF_INET]), address))

    probe = TraceProbe(clock, resolver, open_socket, open_quotes=lambda *_: heard)
    found = await measure(probe, request_for("trace", "127.0.0.1", dscp=46, flows=1, **FAST))
    theirs.close()
    assert found.outcome.values[KEY] == 1
    [hop] = found.outcome.document["hops"]
    assert hop["stations"][0]["dscp"] == 8
    assert measure_marking(replace(found_survey(), dscps={"192.0.2.1": 8}), 8) == {
        "qos.dscp.hop_changed{dscp=8}": "N"
    }
