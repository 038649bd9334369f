import asyncio
import socket

import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.tcp import TcpProbe
from streamswarm_agent.probes.tcp_connect import Connector

FAST = {"interval_seconds": 0.05, "timeout_seconds": 0.2}


@pytest.fixture
def connect(clock, resolver, request_for, measure):
    async def run(port, target="127.0.0.1", **parameters):
        request = request_for("tcp", target, port=port, **(FAST | parameters))
        return await measure(TcpProbe(clock, resolver), request)

    return run


async def test_an_open_port_is_timed_each_interval(connect, web_server):
    accepted = []
    port = await web_server(lambda _, writer: (accepted.append(1), writer.close()))
    found = await connect(port)
    values = found.outcome.values
    assert found.outcome.is_success
    assert values["net.packet.sent"] == values["net.packet.received"] == len(accepted)
    assert 0 < values["net.rtt.min"] <= values["net.rtt.tcp_connect"] <= values["net.rtt.max"]
    assert values["net.availability.ratio"] == 1
    assert found.outcome.reason == ""
    assert sum(sample.values["net.packet.sent"] for sample in found.samples) == len(accepted)


async def test_a_refused_connection_is_a_failed_attempt_with_its_reason(connect, closed_port):
    found = await connect(closed_port)
    assert not found.outcome.is_success
    assert found.outcome.values["net.packet.loss.ratio"] == 1
    assert found.outcome.absent["net.rtt.tcp_connect"] == "T"
    assert found.outcome.reason.startswith("connection refused (")
    assert list(found.outcome.document["failures"]) == ["connection refused"]


async def test_a_listener_that_does_not_answer_is_silence(connect):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for item in waiting:
            item.setblocking(False)
            item.connect_ex(("127.0.0.1", port))
        found = await connect(port, interval_seconds=0.1, timeout_seconds=0.1)
        for item in waiting:
            item.close()
    assert not found.outcome.is_success
    assert found.outcome.reason.startswith("no answer in time (")


async def test_a_name_without_address_is_a_result(connect):
    found = await connect(80, target="nowhere.example")
    assert not found.outcome.is_success
    assert found.outcome.values["net.availability.ratio"] == 0
    assert found.outcome.absent["net.rtt.tcp_connect"] == "T"


async def test_a_host_without_sockets_left_measures_nothing(clock):
    def no_socket(family, kind):
        raise OSError(24, "Too many open files")

    connector = Connector(clock, "127.0.0.1", 80, 1.0, open_socket=no_socket)
    with pytest.raises(ProbeFailed, match="Too many open files"):
        await connector.connect()


async def test_ipv6_works_alike(connect, web_server):
    try:
        port = await web_server(lambda _, writer: writer.close(), host="::1")
    except OSError as error:
        pytest.skip(f"this host has no IPv6 loopback: {error}")
    found = await connect(port, target="::1")
    assert found.outcome.is_success


async def test_the_connection_is_closed_at_once(connect, web_server):
    ends = asyncio.Queue()

    async def handle(reader, writer):
        ends.put_nowait(await reader.read())
        writer.close()

    port = await web_server(handle)
    found = await connect(port, duration_seconds=0.1)
    for _ in range(int(found.outcome.values["net.packet.received"])):
        assert await asyncio.wait_for(ends.get(), 5) == b""
