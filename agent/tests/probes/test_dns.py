import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.dns import DnsProbe
from streamswarm_agent.probes.dns_lookup import parse_query_name, system_nameservers

FAST = {
    "duration_seconds": 0.15,
    "sample_interval_seconds": 0.05,
    "interval_seconds": 0.05,
    "timeout_seconds": 0.3,
    "name": "www.example",
}
ADDRESSES = ("www.example.", 300, "IN", "A", "192.0.2.1", "192.0.2.2")


class Responder(asyncio.DatagramProtocol):
    """A name server on one port over UDP and TCP; `answer(query, transport)` makes the replies."""

    def __init__(self, answer):
        self.answer = answer
        self.queries = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        for reply in self._reply(data, "udp"):
            self.transport.sendto(reply, address)

    async def serve_stream(self, reader, writer):
        length = int.from_bytes(await reader.readexactly(2), "big")
        for reply in self._reply(await reader.readexactly(length), "tcp"):
            writer.write(len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
        writer.close()

    def _reply(self, wire, transport):
        query = dns.message.from_wire(wire)
        self.queries.append((transport, query))
        return [
            reply if isinstance(reply, bytes) else reply.to_wire()
            for reply in self.answer(query, transport)
        ]


def answer_with(*records, code=dns.rcode.NOERROR, flags=0):
    def answer(query, transport):
        reply = dns.message.make_response(query)
        reply.set_rcode(code)
        reply.flags |= flags
        reply.answer = [dns.rrset.from_text(*record) for record in records]
        return [reply]

    return answer


@pytest.fixture
async def name_server():
    closing = []

    async def start(answer):
        responder = Responder(answer)
        server = await asyncio.start_server(responder.serve_stream, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: responder, local_addr=("127.0.0.1", port)
        )
        closing.extend((server, transport))
        return responder, port

    yield start
    for item in closing:
        item.close()


@pytest.fixture
def look_up(clock, make_resolver, request_for, measure):
    async def run(port, target="127.0.0.1", nameservers=(), **parameters):
        probe = DnsProbe(clock, make_resolver(), lambda: nameservers)
        return await measure(probe, request_for("dns", target, port=port, **(FAST | parameters)))

    return run


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_answer_is_timed_and_described(look_up, name_server, transport):
    responder, port = await name_server(answer_with(ADDRESSES))
    found = await look_up(port, transport=transport)
    values = found.outcome.values
    assert found.outcome.is_success
    assert found.outcome.method == transport
    assert {used for used, _ in responder.queries} == {transport}
    assert 0 < values["dns.lookup.duration"] < 0.3
    assert values["dns.answer.count"] == 2
    assert values["dns.answer.ttl"] == 300
    assert values["dns.timeout.ratio"] == 0
    assert values["net.availability.ratio"] == 1
    assert found.outcome.facts == {"dns.response.code": "NOERROR"}
    assert found.outcome.document["answers"] == ["192.0.2.1", "192.0.2.2"]
    assert found.samples


async def test_the_size_is_that_of_the_message_received(look_up, name_server):
    sizes = set()

    def answer(query, transport):
        wire = answer_with(ADDRESSES)(query, transport)[0].to_wire()
        sizes.add(len(wire))
        return [wire]

    _, port = await name_server(answer)
    found = await look_up(port)
    assert sizes == {found.outcome.values["dns.response.size"]}


async def test_a_truncated_answer_is_asked_for_again_over_tcp(look_up, name_server):
    def answer(query, transport):
        flags = dns.flags.TC if transport == "udp" else 0
        return answer_with(*([ADDRESSES] if transport == "tcp" else []), flags=flags)(query, "")

    responder, port = await name_server(answer)
    found = await look_up(port, duration_seconds=0.05)
    assert [used for used, _ in responder.queries] == ["udp", "tcp"]
    assert found.outcome.values["dns.response.truncated"] == 1
    assert found.outcome.values["dns.answer.count"] == 2


async def test_truncation_does_not_apply_to_tcp(look_up, name_server):
    _, port = await name_server(answer_with(ADDRESSES))
    found = await look_up(port, transport="tcp")
    assert found.outcome.absent["dns.response.truncated"] == "N"


async def test_the_resolvers_own_judgement_of_dnssec_is_asked_for_and_reported(
    look_up, name_server
):
    responder, port = await name_server(answer_with(ADDRESSES, flags=dns.flags.AD))
    found = await look_up(port)
    assert all(query.flags & dns.flags.AD for _, query in responder.queries)
    assert found.outcome.values["dns.dnssec.authenticated"] == 1


async def test_a_name_that_does_not_exist_is_an_answer_but_no_success(look_up, name_server):
    _, port = await name_server(answer_with(code=dns.rcode.NXDOMAIN))
    found = await look_up(port)
    assert not found.outcome.is_success
    assert found.outcome.values["dns.timeout.ratio"] == 0
    assert found.outcome.values["dns.answer.count"] == 0
    assert found.outcome.absent["dns.answer.ttl"] == "N"
    assert found.outcome.facts == {"dns.response.code": "NXDOMAIN"}
    assert found.outcome.reason.startswith("NXDOMAIN (")


async def test_silence_is_a_result(look_up, name_server):
    _, port = await name_server(lambda *_: [])
    found = await look_up(port, timeout_seconds=0.1)
    assert not found.outcome.is_success
    assert found.outcome.values["dns.timeout.ratio"] == 1
    assert found.outcome.absent["dns.lookup.duration"] == "T"
    assert found.outcome.reason.startswith("no answer in time (")


async def test_part_of_the_queries_may_go_unanswered(look_up, name_server):
    responder, port = await name_server(
        lambda query, _: answer_with(ADDRESSES)(query, _) if len(responder.queries) % 2 else []
    )
    found = await look_up(port, duration_seconds=0.2, timeout_seconds=0.1)
    assert found.outcome.is_success
    assert found.outcome.values["dns.timeout.ratio"] == pytest.approx(
        len(responder.queries) // 2 / len(responder.queries)
    )
    assert 0 < found.outcome.values["net.availability.ratio"] < 1


@pytest.mark.parametrize(
    ("record", "record_type", "expected"),
    [
        (ADDRESSES, "A", "192.0.2.2"),
        (("www.example.", 60, "IN", "CNAME", "Target.Example."), "CNAME", "target.example"),
        (("www.example.", 60, "IN", "TXT", '"v=spf1 -all"'), "TXT", "v=spf1 -all"),
    ],
)
async def test_an_expected_answer_is_found_in_its_usual_spelling(
    look_up, name_server, record, record_type, expected
):
    _, port = await name_server(answer_with(record))
    right = await look_up(port, record_type=record_type, expected_answer=expected)
    wrong = await look_up(port, record_type=record_type, expected_answer="192.0.2.99")
    assert right.outcome.is_success
    assert not wrong.outcome.is_success
    assert wrong.outcome.reason.startswith("no answer equals the expected one (")


async def test_forged_and_broken_datagrams_are_passed_over(look_up, name_server):
    def answer(query, transport):
        forged = answer_with(ADDRESSES)(query, transport)[0]
        forged.id ^= 1
        return [b"\xff" * 5, forged, *answer_with(ADDRESSES)(query, transport)]

    _, port = await name_server(answer)
    found = await look_up(port)
    assert found.outcome.values["dns.timeout.ratio"] == 0


async def test_a_resolver_that_refuses_connections_is_a_result(look_up, closed_port):
    found = await look_up(closed_port, transport="tcp")
    assert not found.outcome.is_success
    assert found.outcome.values["dns.timeout.ratio"] == 1


async def test_system_means_the_first_resolver_of_the_host(look_up, name_server):
    _, port = await name_server(answer_with(ADDRESSES))
    found = await look_up(port, target="system", nameservers=["127.0.0.1", "192.0.2.9"])
    assert found.outcome.is_success
    assert found.outcome.document["address"] == "127.0.0.1"


async def test_a_host_without_resolvers_cannot_be_measured(look_up):
    with pytest.raises(ProbeFailed, match="not configured"):
        await look_up(53, target="system")


async def test_a_resolver_without_address_is_a_result(look_up):
    found = await look_up(53, target="nowhere.example")
    assert not found.outcome.is_success
    assert found.outcome.values["net.availability.ratio"] == 0
    assert found.outcome.absent["dns.lookup.duration"] == "T"


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["a" * 60] * 5), "\\999"])
async def test_what_is_no_name_is_refused(look_up, name):
    with pytest.raises(ProbeFailed, match=r"^name: "):
        await look_up(53, name=name)


def test_a_reverse_look_up_takes_an_address():
    assert parse_query_name("192.0.2.1", "PTR").to_text() == "1.2.0.192.in-addr.arpa."
    assert parse_query_name("www.example", "PTR").to_text() == "www.example."


def test_the_hosts_own_resolvers_are_addresses():
    assert all(isinstance(server, str) for server in system_nameservers())
