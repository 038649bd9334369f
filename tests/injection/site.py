"""The far end of a network with faults: web, TLS, DNS and time servers, and answering agents.

Runs in the target's namespace. Each line of standard input, a JSON object of `Behaviour`'s fields,
changes how the servers behave, and `{"answer": "run"}` lets agents answer one run more; each is
answered by a line. It ends with its input.
"""

import asyncio
import json
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset

from agent.tests.authority import Authority, as_pem
from streamswarm_agent.probes.base import ResponderRequest
from streamswarm_agent.probes.responders import build_responders
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.wire.kinds import complete_parameters

HOST = "site.example"
KEY = bytes(range(32))
THROUGHPUT_PORT, QOS_PORT, CROWD_PORT = 8620, 8621, 9999
ANSWERING_SECONDS = 60
NTP_EPOCH_SECONDS = 2_208_988_800
CERTIFICATES = {
    "sound": {"days": 200},
    "soon": {"days": 6},
    "expired": {"days": -4},
    "self_signed": {"days": 200, "is_self_signed": True},
    "without_issuer": {"days": 200, "has_middle": False},
    "other_name": {"host": "other.example", "days": 200},
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the servers behave; seconds are waited before an answer."""

    dns_seconds: float = 0.0
    dns_code: str = "NOERROR"
    dns_silence_ratio: float = 0.0
    web_seconds: float = 0.0
    web_status: int = 200
    web_bytes: int = 2000
    is_web_open: bool = True
    is_web_hanging: bool = False
    certificate: str = "sound"
    clock_ahead_seconds: float = 0.0


class NameServer(asyncio.DatagramProtocol):
    def __init__(self, site):
        self.site = site
        self.asked_count = 0
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, wire, address):
        task = asyncio.create_task(self.answer(dns.message.from_wire(wire), address))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, query, address):
        behaviour = self.site.behaviour
        self.asked_count += 1
        silent_before = int((self.asked_count - 1) * behaviour.dns_silence_ratio)
        if int(self.asked_count * behaviour.dns_silence_ratio) > silent_before:
            return
        await asyncio.sleep(behaviour.dns_seconds)
        reply = dns.message.make_response(query)
        reply.set_rcode(dns.rcode.from_text(behaviour.dns_code))
        if behaviour.dns_code == "NOERROR":
            name = query.question[0].name
            reply.answer.append(dns.rrset.from_text(name, 300, "IN", "A", self.site.address))
        self.transport.sendto(reply.to_wire(), address)


class TimeServer(asyncio.DatagramProtocol):
    """NTP version 4, stratum 2, ahead by what the behaviour says (RFC 5905, figure 8)."""

    def __init__(self, site):
        self.site = site

    def connection_made(self, transport):
        self.transport = transport

    def tell(self):
        moment = time.time() + self.site.behaviour.clock_ahead_seconds + NTP_EPOCH_SECONDS
        return struct.pack("!II", int(moment), int(moment % 1 * 2**32))

    def datagram_received(self, wire, address):
        arrived = self.tell()
        head = struct.pack("!BBbbII4s", 0x24, 2, 4, -20, 0, 16, b"LAB ")
        self.transport.sendto(head + arrived + wire[40:48] + arrived + self.tell(), address)


class Sink(asyncio.DatagramProtocol):
    """Swallows what the crowd sends."""


class Site:
    def __init__(self, address, folder):
        self.address = address
        self.behaviour = Behaviour()
        self.authority = Authority(folder)
        (folder / "root.pem").write_bytes(as_pem(self.authority.root))
        self.contexts = {
            name: self.authority.issue(**{"host": HOST, **made})
            for name, made in CERTIFICATES.items()
        }
        self.web = None
        self.secure = None
        self.responders = build_responders(clock=SystemClock())
        self.tasks = set()

    async def open(self):
        loop = asyncio.get_running_loop()
        for port, protocol in (
            (53, lambda: NameServer(self)),
            (123, lambda: TimeServer(self)),
            (CROWD_PORT, Sink),
        ):
            await loop.create_datagram_endpoint(protocol, local_addr=(self.address, port))
        await self.behave(Behaviour())

    def answer(self, run_id):
        """Be the other agent of one run."""
        for kind, port in (("throughput", THROUGHPUT_PORT), ("qos", QOS_PORT)):
            request = ResponderRequest(
                run_id, KEY, complete_parameters(kind, {}), ANSWERING_SECONDS, self.address, port
            )
            task = asyncio.create_task(self.responders[kind].serve(request))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def behave(self, behaviour):
        former, self.behaviour = self.behaviour, behaviour
        if self.secure is None or former.certificate != behaviour.certificate:
            await close(self.secure)
            tls = self.contexts[behaviour.certificate]
            self.secure = await asyncio.start_server(self.serve, self.address, 443, ssl=tls)
        if not behaviour.is_web_open:
            await close(self.web)
            self.web = None
        elif self.web is None:
            self.web = await asyncio.start_server(self.serve, self.address, 80)

    async def serve(self, reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                behaviour = self.behaviour
                if behaviour.is_web_hanging:
                    await reader.read()
                    break
                await asyncio.sleep(behaviour.web_seconds)
                body = b"x" * behaviour.web_bytes
                head = (
                    f"HTTP/1.1 {behaviour.web_status} Said\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()


async def close(server):
    if server is not None:
        server.close()
        await server.wait_closed()


def answer(found):
    """A line of standard output."""
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    sys.stdout.flush()


async def main(address, folder):
    site = Site(address, Path(folder))
    await site.open()
    answer({})
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if "answer" in order:
            site.answer(order["answer"])
        else:
            await site.behave(replace(Behaviour(), **order))
        answer({})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
