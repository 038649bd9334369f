import asyncio
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from agent.tests.authority import Authority
from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.dns import DnsProbe
from streamswarm_agent.probes.dns_lookup import parse_query_name, system_nameservers
from streamswarm_agent.probes.dns_survey import measure_consistency

FAST = {
    "duration_seconds": 0.15,
    "sample_interval_seconds": 0.05,
    "interval_seconds": 0.05,
    "timeout_seconds": 0.3,
    "name": "www.example",
    "is_cache_measured": False,
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def look_up(clock, make_resolver, request_for, measure, authority):
    async def run(port, target="127.0.0.1", nameservers=(), resolver=None, **parameters):
        probe = DnsProbe(clock, resolver or make_resolver(), lambda: nameservers, authority.trust)
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


@pytest.fixture
async def secure_server(authority, web_server):
    """The same answers over TLS and over HTTPS; gives both ports."""

    async def start(answer, host="site.example"):
        responder = Responder(answer)
        tls = authority.issue(host)

        async def serve_https(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            replies = responder._reply(await reader.readexactly(length), "doh")
            for reply in replies:
                size = f"HTTP/1.1 200 OK\r\nContent-Length: {len(reply)}\r\n\r\n"
                writer.write(size.encode() + reply)
            await writer.drain()
            writer.close()

        dot_port = await web_server(responder.serve_stream, tls)
        doh_port = await web_server(serve_https, tls)
        return responder, {"dot_port": dot_port, "doh_port": doh_port, "timeout_seconds": 10}

    return start


@pytest.mark.parametrize("transport", ["dot", "doh"])
async def test_an_encrypted_query_is_timed_and_its_certificate_checked(
    look_up, secure_server, transport, make_resolver
):
    responder, ports = await secure_server(answer_with(ADDRESSES))
    names = make_resolver({"site.example": "127.0.0.1", "false.example": "127.0.0.1"})
    found = await look_up(53, "site.example", resolver=names, transport=transport, **ports)
    assert found.outcome.is_success
    assert found.outcome.method == transport
    assert found.outcome.values[f"dns.lookup.duration.{transport}"] > 0
    assert found.outcome.absent["dns.response.truncated"] == "N"
    asked_count = len(responder.queries)
    false = await look_up(53, "false.example", resolver=names, transport=transport, **ports)
    assert not false.outcome.is_success
    assert "certificate" in false.outcome.reason.lower()
    assert len(responder.queries) == asked_count
    trusting = await look_up(
        53, "false.example", resolver=names, transport=transport,
        is_certificate_verified=False, **ports,
    )  # fmt: skip
    assert trusting.outcome.is_success


async def test_an_answer_over_https_to_another_question_is_none(look_up, secure_server):
    def answer(query, transport):
        other = dns.message.make_query("other.example", "A")
        other.id = query.id
        return answer_with(ADDRESSES)(other, transport)

    _, ports = await secure_server(answer, "127.0.0.1")
    found = await look_up(53, transport="doh", **ports)
    assert found.outcome.reason.startswith("the answer is not to the question (")


async def test_every_transport_may_be_timed_once_a_run(look_up, name_server, secure_server):
    responder, port = await name_server(answer_with(ADDRESSES))
    _, ports = await secure_server(answer_with(ADDRESSES))
    found = await look_up(port, is_every_transport_measured=True, **ports)
    assert [used for used, _ in responder.queries].count("tcp") == 1
    for transport in ("tcp", "dot", "doh"):
        assert found.outcome.values[f"dns.lookup.duration.{transport}"] > 0
    assert found.samples[-1].values["dns.lookup.duration.dot"] > 0


async def test_a_transport_that_is_not_offered_has_no_time(look_up, name_server, closed_port):
    _, port = await name_server(answer_with(ADDRESSES))
    found = await look_up(
        port, is_every_transport_measured=True, dot_port=closed_port, doh_port=closed_port
    )
    assert found.outcome.is_success
    assert found.outcome.absent["dns.lookup.duration.dot"] == "T"
    assert found.outcome.absent["dns.lookup.duration.doh"] == "T"


async def test_what_nobody_asked_before_is_cold_and_the_same_again_warm(look_up, name_server):
    seen = set()
    fetching = threading.Event()

    def answer(query, transport):
        name = query.question[0].name
        if name not in seen:
            fetching.wait(0.03)
        seen.add(name)
        return answer_with(code=dns.rcode.NXDOMAIN)(query, transport)

    _, port = await name_server(answer)
    found = await look_up(port, is_cache_measured=True)
    values = found.outcome.values
    assert values["dns.lookup.duration.cold"] >= 0.03
    assert values["dns.lookup.duration.warm"] < values["dns.lookup.duration.cold"]
    effectiveness = 1 - values["dns.lookup.duration.warm"] / values["dns.lookup.duration.cold"]
    assert values["dns.cache.effectiveness"] == pytest.approx(effectiveness)
    fresh = [name for name in seen if len(name) == 4]
    assert len(fresh) == 3
    assert all(name.parent().to_text() == "www.example." for name in fresh)


@pytest.mark.parametrize(
    ("name", "code", "absent"),
    [(".", dns.rcode.NOERROR, "N"), ("www.example", dns.rcode.SERVFAIL, "T")],
)
async def test_the_root_and_failures_tell_nothing_of_a_cache(
    look_up, name_server, name, code, absent
):
    responder, port = await name_server(answer_with(code=code))
    found = await look_up(port, name=name, is_cache_measured=True, duration_seconds=0.05)
    assert found.outcome.absent["dns.cache.effectiveness"] == absent
    assert len(responder.queries) <= 3


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"])
async def test_resolvers_beside_are_compared_and_policy_holds_for_them(
    look_up, name_server, make_resolver
):
    _, port = await name_server(answer_with(ADDRESSES))
    loop = asyncio.get_running_loop()
    other, _ = await loop.create_datagram_endpoint(
        lambda: Responder(answer_with(("www.example.", 9, "IN", "A", "192.0.2.9"))),
        local_addr=("127.0.0.2", port),
    )
    resolver = make_resolver({}, frozenset({"127.0.0.3"}))
    found = await look_up(port, resolver=resolver, resolvers="127.0.0.2, 127.0.0.3")
    other.close()
    rows = found.outcome.document["resolvers"]
    assert [row["answers"] for row in rows[:2]] == [["192.0.2.1", "192.0.2.2"], ["192.0.2.9"]]
    assert rows[2] == {"resolver": "127.0.0.3", "error": "policy denies 127.0.0.3"}
    assert found.outcome.values["dns.resolver.consistency"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("answers", "share"),
    [([], "N"), ([["a"]], "N"), ([["a"], None], "I"), ([["a"], ["a"]], 1), ([["a"], ["b"]], 0.5)],
)
def test_consistency_is_the_share_of_the_largest_group(answers, share):
    rows = [
        {"error": "", "code": "NOERROR", "answers": one} if one else {"error": "no answer"}
        for one in answers
    ]
    assert measure_consistency(rows) == share


async def test_resolvers_that_are_no_hosts_are_refused_by_field(look_up):
    with pytest.raises(ProbeFailed, match=r"^resolvers: "):
        await look_up(53, resolvers="-x-")


async def test_the_size_of_messages_that_a_resolver_takes_is_told(look_up, name_server):
    def answer(query, transport):
        reply = answer_with(ADDRESSES)(query, transport)[0]
        reply.use_edns(0, payload=4096)
        return [reply]

    _, port = await name_server(answer)
    found = await look_up(port)
    assert found.outcome.document["edns_payload"] == 4096
