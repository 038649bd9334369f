"""Web, TLS, DNS and time probes against servers whose pauses, faults and words are known.

The servers are on loopback. The truth of a phase is how long its server really held it, and the
probe's figure is taken minus that of the same server without pauses; on a busy machine a phase may
be tried again, and the table says so.
"""

import asyncio
import gzip
import json
import ssl
import time
import warnings
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import dns.message
import dns.rcode
import pytest

from agent.tests.authority import Authority
from streamswarm_agent.probes.base import ProbeRequest
from streamswarm_agent.probes.dns import DnsProbe
from streamswarm_agent.probes.http import HttpProbe
from streamswarm_agent.probes.tls import TlsProbe
from streamswarm_agent.runtime.clock import SystemClock

KINDS = Path(__file__).parents[2] / "agent" / "wire" / "v1" / "kinds"
HOST = "site.example"
TOLERANCE_SECONDS = 0.002
ATTEMPTS = 5
ROUNDS = 9
PAUSE_SECONDS = {"dns": 0.03, "tls": 0.05, "ttfb": 0.08, "transfer": 0.06}
BODY = b"hello world " * 2000


class SleepingResolver:
    """Names lead to loopback after a pause whose true length is kept."""

    def __init__(self, pause_seconds):
        self.pause_seconds = pause_seconds
        self.held = 0.0

    async def resolve(self, host, ip_version="any"):
        begin = time.monotonic()
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        self.held = time.monotonic() - begin
        return "127.0.0.1"


class SleepingSite:
    """A web server that keeps how long it held each phase: before TLS, the head, and the rest."""

    def __init__(self, tls, pauses):
        self.tls = tls
        self.pauses = pauses
        self.held = {}

    async def serve(self, reader, writer):
        writer.transport.pause_reading()  # the client's hello waits in the kernel until TLS begins
        try:
            await self.pause("tls")
            await writer.start_tls(self.tls)
            await reader.readuntil(b"\r\n\r\n")
            await self.pause("ttfb")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            await writer.drain()
            await self.pause("transfer")
            writer.write(b"world")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def pause(self, phase):
        begin = time.monotonic()
        if phase in self.pauses:
            await asyncio.sleep(self.pauses[phase])
        self.held[phase] = time.monotonic() - begin


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def serving(handle, tls=None):
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def run_probe(probe, target, **parameters):
    rules = json.loads((KINDS / f"{probe.kind}.json").read_text())["properties"]
    defaults = {name: rule["default"] for name, rule in rules.items() if "default" in rule}
    request = ProbeRequest(target, defaults | parameters, 0.1, 0.1)

    async def emit(sample):
        pass

    return await probe.run(request, emit)


async def measure_phases(authority, pauses):
    """The phases that the probe saw, and how long they were really held."""
    resolver = SleepingResolver(pauses.get("dns", 0))
    site = SleepingSite(authority.issue(HOST), pauses)
    async with serving(site.serve) as port:
        probe = HttpProbe(SystemClock(), resolver, authority.trust)
        found = await run_probe(probe, f"https://{HOST}:{port}/", is_cache_measured=False)
    assert found.is_success, found.reason
    measured = {phase: found.values[f"http.client.phase.{phase}"] for phase in PAUSE_SECONDS}
    return measured, {"dns": resolver.held, **site.held}


async def measure_rounds(authority, pauses):
    """Median seconds that each phase was held, and that the probe saw beyond that."""
    rounds = [await measure_phases(authority, pauses) for _ in range(ROUNDS)]
    held = {phase: median(held[phase] for _, held in rounds) for phase in PAUSE_SECONDS}
    beyond = {
        phase: median(measured[phase] - held[phase] for measured, held in rounds)
        for phase in PAUSE_SECONDS
    }
    return held, beyond


async def test_each_phase_of_a_web_request_is_as_long_as_it_was_held(authority, lab_table):
    for attempt in range(1, ATTEMPTS + 1):
        _, base = await measure_rounds(authority, {})
        held, beyond = await measure_rounds(authority, PAUSE_SECONDS)
        errors = {phase: beyond[phase] - base[phase] for phase in PAUSE_SECONDS}
        for phase, error in errors.items():
            seen = held[phase] + error
            verdict = True if abs(error) <= TOLERANCE_SECONDS else f"attempt {attempt}"
            lab_table.record(f"http phase {phase}", held[phase] * 1000, seen * 1000, "ms", verdict)
        if max(map(abs, errors.values())) <= TOLERANCE_SECONDS:
            break
    assert max(map(abs, errors.values())) <= TOLERANCE_SECONDS
    assert all(held[phase] >= pause for phase, pause in PAUSE_SECONDS.items())


def sound(authority):
    return authority.issue(HOST)


def old(authority):
    tls = authority.issue(HOST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tls.minimum_version = ssl.TLSVersion.TLSv1
    return tls


SERVERS = {
    "sound": (sound, 1, 1, "trusted", []),
    "expired": (
        lambda authority: authority.issue(HOST, days=-3), 0, 1, "certificate has expired", [],
    ),
    "for another host": (lambda authority: authority.issue("other.example"), 1, 0, "trusted", []),
    "signed by itself": (
        lambda authority: authority.issue(HOST, is_self_signed=True), 0, 1,
        "self-signed certificate", [],
    ),
    "without its issuer": (
        lambda authority: authority.issue(HOST, has_middle=False), 0, 1,
        "unable to get local issuer certificate", [],
    ),
    "old versions": (old, 1, 1, "trusted", ["TLSv1 is offered", "TLSv1.1 is offered"]),
}  # fmt: skip


async def hold(reader, writer):
    await reader.read()
    writer.close()


@pytest.mark.parametrize("name", SERVERS)
async def test_the_verdict_on_a_certificate_is_the_fault_it_was_made_with(
    authority, lab_table, name
):
    make, *truth = SERVERS[name]
    async with serving(hold, make(authority)) as port:
        probe = TlsProbe(SystemClock(), SleepingResolver(0), authority.trust)
        found = await run_probe(probe, HOST, port=port)
    seen = [
        found.values["tls.certificate.valid"],
        found.values["tls.certificate.hostname_match"],
        found.document["verdict"],
        found.document["weaknesses"],
    ]
    lab_table.record(f"tls: {name}", truth[2], seen[2], "", seen == truth)
    assert seen == truth
    assert found.is_success is (truth[:2] == [1, 1])


async def test_a_weak_certificate_is_called_weak(authority, lab_table):
    tls = authority.issue(HOST, key=authority.weak_key, is_sha1=True)
    async with serving(hold, tls) as port:
        probe = TlsProbe(SystemClock(), SleepingResolver(0), authority.trust)
        found = await run_probe(probe, HOST, port=port)
    truth = [1024, "ecdsa-with-SHA1"]
    facts = found.facts["tls.certificate.signature_algorithm"]
    seen = [found.values["tls.certificate.key_bits"], facts]
    lab_table.record("tls: weak", str(truth), str(seen), "", seen == truth)
    assert seen == truth
    assert len(found.document["weaknesses"]) == 2


class Publisher:
    """Redirects twice, packs its page, and knows its ETag."""

    packed = gzip.compress(BODY, mtime=0)

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                writer.write(self.answer(head))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    def answer(self, head):
        path = head.split()[1]
        if path in {"/", "/moved"}:
            place = {"/": "/moved", "/moved": "/page"}[path]
            return f"HTTP/1.1 301 Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        if 'if-none-match: "v1"' in head:
            return b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'
        lines = (
            'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Encoding: gzip\r\nX-Cache: HIT\r\nAge: 42\r\n'
            f"Cache-Control: max-age=300\r\nContent-Length: {len(self.packed)}\r\n\r\n"
        )
        return lines.encode() + self.packed


async def test_redirects_packing_and_validators_are_counted_exactly(lab_table):
    async with serving(Publisher().serve) as port:
        probe = HttpProbe(SystemClock(), SleepingResolver(0))
        found = await run_probe(probe, f"http://{HOST}:{port}/", body_contains="hello")
    truth = {
        "http.redirect.count": 2,
        "http.response.status_code": 200,
        "http.response.size": len(Publisher.packed),
        "http.response.body.size": len(BODY),
        "http.compression.ratio": len(BODY) / len(Publisher.packed),
        "http.cache.revalidation": 1,
        "http.cache.age": 42,
        "http.cache.max_age": 300,
        "http.content.match": 1,
    }
    for figure, number in truth.items():
        seen = found.values[figure]
        lab_table.record(figure, float(number), seen, "", seen == number)
    assert {figure: found.values[figure] for figure in truth} == truth
    assert found.facts["http.cache.status"] == "hit"
    assert found.facts["http.compression.algorithm"] == "gzip"


class CachingResolver(asyncio.DatagramProtocol):
    """Fetches for a while what it has not in its cache, and keeps how long."""

    def __init__(self, pause_seconds):
        self.pause_seconds = pause_seconds
        self.kept = set()
        self.held = {"cold": [], "warm": []}
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, wire, address):
        task = asyncio.create_task(self.answer(dns.message.from_wire(wire), address))
        self.tasks.add(task)

    async def answer(self, query, address):
        begin = time.monotonic()
        name = query.question[0].name
        state = "warm" if name in self.kept else "cold"
        if state == "cold":
            await asyncio.sleep(self.pause_seconds)
        self.kept.add(name)
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.NXDOMAIN)
        self.held[state].append(time.monotonic() - begin)
        self.transport.sendto(reply.to_wire(), address)


async def test_cold_and_warm_answers_take_what_the_resolver_took(lab_table):
    for attempt in range(1, ATTEMPTS + 1):
        resolver = CachingResolver(0.04)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda made=resolver: made, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        resolver.kept.add(dns.name.from_text(HOST))
        found = await run_probe(
            DnsProbe(SystemClock(), SleepingResolver(0)), "127.0.0.1", port=port, name=HOST
        )
        transport.close()
        held = resolver.held
        warm = found.values["dns.lookup.duration.warm"]
        truth = sum(held["cold"]) / 3
        seen = found.values["dns.lookup.duration.cold"] - warm
        is_good = abs(seen - truth) <= TOLERANCE_SECONDS
        verdict = True if is_good else f"attempt {attempt}"
        lab_table.record("dns cold over warm", truth * 1000, seen * 1000, "ms", verdict)
        if is_good:
            break
    assert is_good
    assert len(held["cold"]) == 3
