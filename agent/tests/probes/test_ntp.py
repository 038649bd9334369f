import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.ntp import NtpProbe, measure_disagreement
from streamswarm_agent.probes.ntp_exchange import (
    FRACTION,
    PACKET,
    TimeQuestioner,
    TimeReply,
    build_question,
    describe_reference,
    read_reply,
    read_time,
    relate,
)

ONCE = {"duration_seconds": 0.2, "sample_interval_seconds": 0.2, "interval_seconds": 0.5}
UNIX_TO_NTP = 2_208_988_800


def pack_time(seconds):
    return int((seconds + UNIX_TO_NTP) * FRACTION) % (1 << 64)


class TimeServer(asyncio.DatagramProtocol):
    """Answers with the host's clock and `ahead_seconds`; `change` may alter or drop an answer."""

    def __init__(self, clock, ahead_seconds=0.0, stratum=2, leap=0, reference=b"\xc0\0\x02\x01"):
        self.clock = clock
        self.ahead_seconds = ahead_seconds
        self.head = (leap << 6 | 4 << 3 | 4, stratum, 6, -20, 0x8000, 0x4000, reference)
        self.change = lambda packet: [packet]
        self.questions = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.questions.append(data)
        now = pack_time(self.clock.wall() + self.ahead_seconds)
        mark = PACKET.unpack(data)[-1]
        for packet in self.change(PACKET.pack(*self.head, now, mark, now, now)):
            self.transport.sendto(packet, address)


@pytest.fixture
async def time_server(clock):
    closing = []

    async def start(host="127.0.0.1", port=0, **traits):
        server = TimeServer(clock, **traits)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(host, port))
        closing.append(transport)
        server.port = transport.get_extra_info("sockname")[1]
        return server

    yield start
    for transport in closing:
        transport.close()


@pytest.fixture
def ask(clock, make_resolver, request_for, measure):
    async def run(port, target="127.0.0.1", resolver=None, **parameters):
        probe = NtpProbe(clock, resolver or make_resolver())
        request = request_for("ntp", target, port=port, **(ONCE | parameters))
        return (await measure(probe, request)).outcome

    return run


@pytest.mark.parametrize("ahead_seconds", [0.0, 5.0, -5.0])
async def test_the_offset_is_that_of_the_servers_clock_within_half_the_round_trip(
    ask, time_server, ahead_seconds
):
    server = await time_server(ahead_seconds=ahead_seconds)
    found = await ask(server.port)
    assert found.is_success
    error = abs(found.values["ntp.offset"] - ahead_seconds)
    assert error <= found.values["ntp.rtt"] / 2 + 1e-5
    assert found.values["ntp.stratum"] == 2
    assert found.values["ntp.root_dispersion"] == 0.25
    assert found.values["net.availability.ratio"] == 1
    (row,) = found.document["servers"]
    assert (row["reference"], row["leap"], row["root_delay"]) == ("192.0.2.1", "none", 0.5)
    assert "disagreement" not in found.document


async def test_a_question_tells_nothing_of_this_host(ask, time_server):
    server = await time_server()
    await ask(server.port, duration_seconds=0.3, interval_seconds=0.1)
    assert len(server.questions) == 3
    assert len({question[40:] for question in server.questions}) == 3
    assert {question[:1] for question in server.questions} == {b"\x23"}
    assert {question[4:40] for question in server.questions} == {bytes(36)}


async def test_forged_short_and_foreign_packets_are_passed_over(ask, time_server):
    server = await time_server()

    def forge(packet):
        other_mark = packet[:24] + bytes(8) + packet[32:]
        broadcast = bytes([packet[0] & ~7 | 5]) + packet[1:]
        return [b"", packet[:47], other_mark, broadcast, packet]

    server.change = forge
    found = await ask(server.port)
    assert found.is_success
    server.change = lambda packet: forge(packet)[:-1]
    assert (await ask(server.port, timeout_seconds=0.2)).reason == "no answer in time (1)"


class FloodedSocket:
    """Has a packet at every moment, as one does that is filled faster than it is read."""

    packet_count = 20_000

    def __init__(self, *_kind):
        self.left_count = self.packet_count

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def setblocking(self, _is_blocking):
        pass

    connect = setblocking

    def gettimeout(self):
        return 0

    def send(self, content):
        return len(content)

    def fileno(self):
        return 0

    def recv(self, _count):
        self.left_count -= 1
        if not self.left_count:
            raise ConnectionRefusedError(111, "Connection refused")
        return b"no answer"


async def test_a_flood_of_foreign_packets_leaves_others_their_turn(clock):
    turns = []

    async def take_turns():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    exchange = await TimeQuestioner(clock, "127.0.0.1", 123, 30, FloodedSocket).ask()
    other.cancel()
    assert "connection refused" in exchange.error
    assert len(turns) > FloodedSocket.packet_count / 2


@pytest.mark.parametrize(
    ("traits", "stratum", "reason"),
    [
        ({"stratum": 0, "reference": b"RATE"}, 16, "the server refuses (RATE) (1)"),
        ({"stratum": 16}, 16, "the server's own clock is not synchronised (1)"),
        ({"leap": 3}, 2, "the server's own clock is not synchronised (1)"),
    ],
)
async def test_a_server_without_time_is_an_answer_but_no_success(
    ask, time_server, traits, stratum, reason
):
    found = await ask((await time_server(**traits)).port)
    assert not found.is_success
    assert found.reason == reason
    assert found.absent["ntp.offset"] == "N"
    assert found.values["ntp.stratum"] == stratum
    assert found.values["ntp.rtt"] >= 0


async def test_silence_and_a_closed_port_are_results(ask, time_server, closed_port):
    server = await time_server()
    server.change = lambda _: []
    silent = await ask(server.port, timeout_seconds=0.2)
    refused = await ask(closed_port, timeout_seconds=1)
    assert silent.reason == "no answer in time (1)"
    assert "refused" in refused.reason
    for found in (silent, refused):
        assert not found.is_success
        assert found.absent["ntp.offset"] == found.absent["ntp.rtt"] == "T"


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
async def test_servers_beside_are_compared(ask, time_server):
    server = await time_server()
    right = await time_server(host="127.0.0.2", port=server.port)
    false = await time_server(host="127.0.0.3", port=server.port, ahead_seconds=3.0)
    found = await ask(server.port, servers="127.0.0.2, 127.0.0.3, nowhere.example")
    rows = found.document["servers"]
    assert [row["server"] for row in rows] == [
        "127.0.0.1", "127.0.0.2", "127.0.0.3", "nowhere.example",
    ]  # fmt: skip
    assert rows[3]["error"] == "no address for nowhere.example"
    assert found.document["disagreement"] == pytest.approx(3.0, abs=0.2)
    assert len(right.questions) == len(false.questions) == 1
    agreeing = await ask(server.port, servers="127.0.0.2")
    assert agreeing.document["disagreement"] == pytest.approx(0, abs=1e-4)


async def test_policy_holds_for_servers_beside_as_well(ask, time_server, make_resolver):
    server = await time_server()
    beside = await time_server(host="127.0.0.2", port=server.port)
    resolver = make_resolver({"kept.example": "127.0.0.2"}, frozenset({"127.0.0.2"}))
    found = await ask(server.port, resolver=resolver, servers="127.0.0.2")
    assert found.document["servers"][1]["error"] == "policy denies 127.0.0.2"
    assert beside.questions == []
    with pytest.raises(TargetRefused):
        await ask(server.port, target="127.0.0.2", resolver=resolver)


async def test_a_name_without_address_is_a_result(ask):
    found = await ask(123, target="nowhere.example")
    assert not found.is_success
    assert found.values["net.availability.ratio"] == 0


@pytest.mark.parametrize("servers", ["-x-", ",".join(f"10.0.0.{n}" for n in range(9))])
async def test_a_list_of_servers_that_is_none_is_refused_by_field(ask, servers):
    with pytest.raises(ProbeFailed, match=r"^servers: "):
        await ask(123, servers=servers)


@given(st.floats(0, 2**33), st.floats(-60 * 365 * 86_400, 60 * 365 * 86_400))
def test_a_timestamp_is_read_in_the_era_of_the_host(seconds, error):
    assert read_time(pack_time(seconds), near=seconds + error) == pytest.approx(seconds, abs=1e-5)


@given(st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_the_offset_errs_by_half_of_the_paths_asymmetry(ahead, there, handling, back):
    sent_at = 1.7e9
    received_at = sent_at + there + ahead
    reply = TimeReply(0, 2, "", 0, 0, received_at, received_at + handling)
    found = relate(reply, sent_at=sent_at, seconds=there + handling + back)
    assert found.offset_seconds == pytest.approx(ahead + (there - back) / 2, abs=1e-5)
    assert found.round_trip_seconds == pytest.approx(there + back, abs=1e-5)


@given(st.binary(max_size=200))
def test_no_packet_breaks_the_reader(packet):
    reply = read_reply(packet, 7, near=1.7e9)
    assert reply is None or struct.unpack_from("!Q", packet, 24)[0] == 7


def test_a_reference_is_letters_or_four_numbers():
    assert describe_reference(1, b"GPS\0") == "GPS"
    assert describe_reference(2, bytes([192, 0, 2, 1])) == "192.0.2.1"


@pytest.mark.parametrize(
    ("offsets", "disagreement"),
    [([], None), ([0.1], None), ([0.1, 0.1], 0), ([0.0, 0.5], 0.48), ([0.0, 0.01], 0)],
)
def test_servers_disagree_by_what_their_round_trips_do_not_explain(offsets, disagreement):
    rows = [{"error": "", "offset": offset, "round_trip": 0.02} for offset in offsets]
    expected = disagreement if disagreement is None else pytest.approx(disagreement)
    assert measure_disagreement([*rows, {"error": "no answer in time"}]) == expected


def test_a_question_is_a_packet_of_48_bytes():
    assert len(build_question(1)) == 48
