import asyncio
import socket
import sys
import time
from contextlib import ExitStack

import pytest

from streamswarm_agent.collectors.routes import NextHop
from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.icmp import EchoEngine
from streamswarm_agent.probes.icmp_packet import echo_request
from streamswarm_agent.probes.icmp_socket import open_icmp_socket
from streamswarm_agent.probes.ping import PingProbe
from streamswarm_agent.probes.ping_link import LinkTimer

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has an error queue")
GATEWAY = NextHop(2, "192.0.2.1", "192.0.2.2")
FAST = {"interval_seconds": 0.01, "timeout_seconds": 0.1}


class EchoHost(socket.socket):
    """A target behind a faulty path: turns each request into the replies that `path` makes of it.

    `path(number, reply)` gives the replies to probe `number`; they come back over UDP.
    """

    def __init__(self, path):
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.path = path
        self.number = 0
        self.bind(("127.0.0.1", 0))
        self.setblocking(False)
        self.setsockopt(socket.SOL_SOCKET, 35, 1)

    def sendto(self, packet, destination):
        request = echo_request(
            socket.AF_INET,
            int.from_bytes(packet[4:6], "big"),
            int.from_bytes(packet[6:8], "big"),
            packet[8:],
        )
        reply = b"\0" + request[1:2] + _with_type_zero(request)[2:]
        for answer in self.path(self.number, reply):
            self.answer(answer)
        self.number += 1

    def answer(self, packet):
        super().sendto(packet, self.getsockname())


def _with_type_zero(request):
    checksum = int.from_bytes(request[2:4], "big") + 0x0800
    checksum = (checksum & 0xFFFF) + (checksum >> 16)
    return b"\0\0" + checksum.to_bytes(2, "big") + request[4:]


def engine_over(path):
    return EchoEngine(lambda *_: EchoHost(path))


def deny(*methods):
    def open_socket(family, method):
        if method in methods:
            raise PermissionError(1, "Operation not permitted")
        return EchoHost(lambda _, reply: [reply])

    return EchoEngine(open_socket)


@pytest.fixture
def ping(clock, resolver, request_for, measure):
    async def run(path, **parameters):
        probe = PingProbe(clock, resolver, engine_over(path))
        return await measure(probe, request_for("ping", "127.0.0.1", **(FAST | parameters)))

    return run


async def test_a_perfect_path_has_no_loss_and_a_whole_set_of_figures(ping):
    found = await ping(lambda _, reply: [reply], duration_seconds=1.05)
    values = found.outcome.values
    assert found.outcome.is_success
    assert values["net.packet.sent"] == values["net.packet.received"] >= 100
    assert values["net.packet.loss.ratio"] == 0
    assert found.outcome.absent == {
        "net.packet.loss.distance.mean": "I",
        "net.rtt.arp": "N",
        "net.rtt.udp": "N",
        "net.rtt.tcp_connect": "N",
        "net.rtt.icmp_tcp_delta": "N",
        "path.ttl.received": "U",
    }
    assert sum(found.outcome.document["net.rtt.histogram"]["counts"]) >= 100
    assert found.outcome.facts == {"agent.timestamp.source": "kernel"}
    assert 0 <= values["agent.timestamp.user_kernel_delta.p99"] < 1
    order = ["min", "median", "p95", "p99", "max"]
    times = [values[f"net.rtt.{name}"] for name in order]
    assert times == sorted(times)
    assert times[0] > 0


async def test_the_loss_found_is_exactly_the_loss_made(ping):
    made = []

    def every_fifth_lost(number, reply):
        made.append(number % 5 != 4)
        return [reply] * made[-1]

    found = await ping(every_fifth_lost)
    values = found.outcome.values
    assert values["net.packet.sent"] == len(made)
    assert values["net.packet.received"] == sum(made)
    assert values["net.packet.loss.burst.max"] == 1
    assert values["net.packet.loss.period.count"] == made.count(False)
    assert values["net.availability.ratio"] == pytest.approx(sum(made) / len(made))


async def test_a_burst_of_losses_is_one_period(ping):
    found = await ping(lambda number, reply: [] if 5 <= number < 11 else [reply])
    assert found.outcome.values["net.packet.loss.burst.max"] == 6
    assert found.outcome.values["net.packet.loss.period.count"] == 1


async def test_duplicates_are_counted_and_no_probe_counts_twice(ping):
    found = await ping(lambda _, reply: [reply, reply])
    values = found.outcome.values
    assert values["net.packet.received"] == values["net.packet.sent"]
    assert values["net.packet.duplicate.ratio"] == 0.5


async def test_damaged_replies_are_counted_and_their_probes_lost(ping):
    def damage_every_second(number, reply):
        return [reply[:-1] + bytes([reply[-1] ^ 1]) if number % 2 else reply]

    found = await ping(damage_every_second)
    values = found.outcome.values
    sent = values["net.packet.sent"]
    assert values["net.packet.received"] == (sent + 1) // 2
    assert values["net.packet.corrupt.ratio"] == pytest.approx((sent // 2) / sent)


async def test_a_reply_after_the_time_out_is_late_and_lost(clock, resolver, request_for, measure):
    loop = asyncio.get_running_loop()
    host = EchoHost(lambda number, reply: [] if number else delay(reply))

    def delay(reply):
        loop.call_later(0.1, host.answer, reply)
        return []

    probe = PingProbe(clock, resolver, EchoEngine(lambda *_: host))
    found = await measure(
        probe, request_for("ping", "127.0.0.1", interval_seconds=0.05, timeout_seconds=0.05)
    )
    values = found.outcome.values
    assert values["net.packet.received"] == 0
    assert values["net.packet.late.ratio"] == pytest.approx(1 / values["net.packet.sent"])


async def test_silence_is_a_result_with_absent_times(ping):
    started = time.monotonic()
    found = await ping(lambda *_: [], duration_seconds=0.2)
    assert time.monotonic() - started >= 0.2
    assert not found.outcome.is_success
    assert found.outcome.values["net.packet.loss.ratio"] == 1
    assert found.outcome.values["net.availability.ratio"] == 0
    assert found.outcome.absent["net.rtt.median"] == "T"
    assert found.outcome.absent["agent.timestamp.source"] == "N"
    assert "no answer from 127.0.0.1" in found.outcome.reason


async def test_each_interval_gives_a_sample_of_the_probes_sent_in_it(ping):
    found = await ping(lambda number, reply: [] if number >= 20 else [reply], interval_seconds=0.01)
    assert len(found.samples) == 3
    assert found.samples[0].values["net.packet.loss.ratio"] == 0
    assert found.samples[-1].values["net.packet.loss.ratio"] == 1
    assert found.samples[-1].absent["net.rtt.mean"] == "T"
    total = sum(sample.values["net.packet.sent"] for sample in found.samples)
    assert total == found.outcome.values["net.packet.sent"]


async def test_the_size_asked_for_is_the_payload_sent(ping):
    sizes = set()

    def path(number, reply):
        sizes.add(len(reply) - 8)
        return [reply]

    found = await ping(path, size_bytes=1400)
    assert sizes == {1400}
    assert found.outcome.values["net.packet.loss.ratio"] == 0


async def test_the_first_allowed_method_is_taken_and_named(
    clock, resolver, request_for, measure, web_server, silent_port
):
    port = await web_server(lambda _, writer: writer.close())
    silent = silent_port()
    request = request_for("ping", "127.0.0.1", tcp_port=port, udp_port=silent, **FAST)
    methods = []
    for denied in ((), ("icmp_raw",), ("icmp_raw", "icmp_datagram")):
        found = await measure(PingProbe(clock, resolver, deny(*denied)), request)
        assert found.outcome.values["net.packet.loss.ratio"] == 0
        methods.append(found.outcome.method)
    assert methods == ["icmp_raw", "icmp_datagram", "tcp"]
    assert found.outcome.absent["net.packet.duplicate.ratio"] == "N"


@pytest.fixture
def silent_port():
    """Takes UDP ports that swallow what comes; gives their numbers."""
    with ExitStack() as stack:

        def take():
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(("127.0.0.1", 0))
            return taken.getsockname()[1]

        yield take


NO_ICMP = ("icmp_raw", "icmp_datagram")


@on_linux
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_by_udp_a_closed_port_is_the_targets_answer(
    clock, resolver, request_for, measure, address
):
    wanted = {"timeout_seconds": 2.0, "interval_seconds": 0.01, "size_bytes": 200, "dscp": 10}
    request = request_for("ping", address, method="udp", duration_seconds=1.5, **wanted)
    found = await measure(PingProbe(clock, resolver), request)
    values = found.outcome.values
    assert found.outcome.method == "udp"
    assert (values["net.packet.sent"], values["net.packet.received"]) == (2, 2)
    assert 0 < values["net.rtt.udp"] == values["net.rtt.median"]
    assert found.outcome.facts == {"agent.timestamp.source": "kernel"}
    assert values["path.ttl.received"] == 64
    assert found.outcome.absent["net.packet.duplicate.ratio"] == "N"


@on_linux
async def test_a_target_that_once_answered_by_udp_is_lost_when_silent_and_not_pinged_otherwise(
    clock, resolver, request_for, measure, closed_port, silent_port
):
    probe = PingProbe(clock, resolver, deny(*NO_ICMP))
    methods = []
    for port in (silent_port(), 33434, silent_port()):
        request = request_for("ping", "127.0.0.1", udp_port=port, tcp_port=closed_port, **FAST)
        found = await measure(probe, request)
        methods.append((found.outcome.method, found.outcome.values["net.packet.loss.ratio"]))
    assert methods == [("tcp", 0), ("udp", 0), ("udp", 1)]


async def test_without_an_error_queue_ping_takes_tcp(
    clock, resolver, request_for, measure, closed_port, monkeypatch
):
    monkeypatch.setattr("streamswarm_agent.probes.ping_methods.IS_LINUX", False)
    probe = PingProbe(clock, resolver, deny(*NO_ICMP))
    request = request_for("ping", "127.0.0.1", tcp_port=closed_port, **FAST)
    assert (await measure(probe, request)).outcome.method == "tcp"
    with pytest.raises(ProbeFailed, match="only Linux keeps the errors of a socket"):
        await probe.run(request_for("ping", "127.0.0.1", method="udp"), None)


async def test_a_comparison_says_how_much_longer_a_connection_takes(ping, web_server):
    port = await web_server(lambda _, writer: writer.close())
    found = await ping(lambda _, reply: [reply], is_tcp_compared=True, tcp_port=port)
    values = found.outcome.values
    assert values["net.rtt.tcp_connect"] > 0
    assert -1 < values["net.rtt.icmp_tcp_delta"] < 1


async def test_a_comparison_without_answers_has_too_few_of_them(ping, closed_port):
    found = await ping(lambda *_: [], is_tcp_compared=True, tcp_port=closed_port)
    assert found.outcome.absent["net.rtt.icmp_tcp_delta"] == "I"
    assert found.outcome.absent["net.rtt.tcp_connect"] == "T"


async def test_the_own_link_is_timed_beside_the_probes(clock, resolver, request_for, measure):
    class Timer(LinkTimer):
        async def measure(self, hop):
            assert hop == GATEWAY
            return 0.002

    timer = Timer(find_route=lambda _address: GATEWAY)
    probe = PingProbe(clock, resolver, engine_over(lambda *_: []), timer)
    found = await measure(probe, request_for("ping", "192.0.2.9", **FAST))
    assert found.outcome.values["net.rtt.arp"] == 0.002
    wanted = request_for("ping", "192.0.2.9", is_link_measured=False, **FAST)
    assert (await measure(probe, wanted)).outcome.absent["net.rtt.arp"] == "N"


async def test_by_tcp_a_refusal_proves_that_the_host_is_there(
    clock, resolver, request_for, measure, closed_port
):
    request = request_for("ping", "127.0.0.1", method="tcp", tcp_port=closed_port, **FAST)
    found = await measure(PingProbe(clock, resolver), request)
    assert found.outcome.is_success
    assert found.outcome.method == "tcp"
    assert found.outcome.values["net.packet.loss.ratio"] == 0
    assert found.outcome.facts == {"agent.timestamp.source": "user"}
    assert found.outcome.absent["agent.timestamp.user_kernel_delta.p99"] == "U"


async def test_asking_for_icmp_only_fails_where_icmp_is_denied(clock, resolver, request_for):
    probe = PingProbe(clock, resolver, deny("icmp_raw", "icmp_datagram"))
    with pytest.raises(ProbeFailed, match=r"icmp_raw: .*not permitted"):
        await probe.run(request_for("ping", "127.0.0.1", method="icmp"), None)


async def test_a_name_without_address_is_a_result(clock, resolver, request_for, measure):
    found = await measure(PingProbe(clock, resolver), request_for("ping", "nowhere.example"))
    assert not found.outcome.is_success
    assert found.outcome.reason == "no address for nowhere.example"
    assert found.outcome.values["net.availability.ratio"] == 0
    assert found.outcome.absent["net.rtt.mean"] == "T"
    assert len(found.samples) == 1


async def test_a_refused_target_is_not_measured(clock, make_resolver, request_for):
    resolver = make_resolver(refused=frozenset({"169.254.169.254"}))
    with pytest.raises(TargetRefused):
        await PingProbe(clock, resolver).run(request_for("ping", "169.254.169.254"), None)


async def test_a_hostile_target_never_reaches_the_resolver(clock, resolver, request_for):
    with pytest.raises(ProbeFailed, match=r"^target: "):
        await PingProbe(clock, resolver).run(request_for("ping", "-c1 127.0.0.1"), None)
    assert resolver.asked == []


async def test_cancelling_stops_at_once_and_gives_the_socket_back(
    clock, resolver, request_for, measure
):
    begun = asyncio.Event()
    host = EchoHost(lambda *_: begun.set() or [])
    probe = PingProbe(clock, resolver, EchoEngine(lambda *_: host))
    request = request_for("ping", "127.0.0.1", duration_seconds=60, **FAST)
    running = asyncio.create_task(measure(probe, request))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert host.fileno() == -1


@pytest.mark.parametrize("method", ["icmp_raw", "icmp_datagram"])
@pytest.mark.parametrize(
    ("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
async def test_real_loopback_answers_every_probe(
    clock, resolver, request_for, measure, address, family, method
):
    def open_socket(asked_family, asked_method):
        if asked_method != method:
            raise PermissionError(1, "Operation not permitted")
        return open_icmp_socket(asked_family, asked_method)

    try:
        open_icmp_socket(family, method).close()
    except OSError as error:
        pytest.skip(f"{method} sockets are not allowed here: {error}")
    request = request_for("ping", address, dscp=46, **(FAST | {"timeout_seconds": 2.0}))
    found = await measure(PingProbe(clock, resolver, EchoEngine(open_socket)), request)
    assert found.outcome.method == method
    assert found.outcome.values["net.packet.loss.ratio"] == 0
    assert 0 < found.outcome.values["net.rtt.min"] < found.outcome.values["net.rtt.max"] < 2
    assert found.outcome.values["path.ttl.received"] == 64
