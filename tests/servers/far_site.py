"""A far site whose answers are known: names, time, web pages, and a file that never ends.

`python -m tests.servers.far_site CERTIFICATE ADDRESS...` on a host of its own, until SIGTERM; what
answers at a later address is slower, and its clock further ahead. Which names there are it reads as
JSON from standard input: {name: address}.
"""

import asyncio
import gzip
import json
import ssl
import struct
import sys
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

NTP_PACKET = struct.Struct(">BBbbII4sQQQQ")
COLD_SECONDS, MORE_COLD_SECONDS = 0.03, 0.09
MORE_AHEAD_SECONDS = 0.031
UNIX_TO_NTP = 2_208_988_800
PAGE = b"<!doctype html><title>Shop</title>" + b"<p>All systems operational.</p>" * 800
PIECE = bytes(65_536)
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n"


class Names(asyncio.DatagramProtocol):
    """Addresses of names and names of addresses; a name that nobody asked before takes longer."""

    def __init__(self, names, cold_seconds):
        self.names = names
        self.owners = {
            dns.reversename.from_address(address): name for name, address in names.items()
        }
        self.cold_seconds = cold_seconds
        self.asked = set()
        self.tasks = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        task = asyncio.create_task(self.send_reply(data, address))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def send_reply(self, data, address):
        self.transport.sendto(await self.reply(data), address)

    async def serve_stream(self, reader, writer):
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = await self.reply(await reader.readexactly(length))
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    async def reply(self, wire):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        wanted = (question.name, question.rdtype)
        if wanted not in self.asked:
            self.asked.add(wanted)
            await asyncio.sleep(self.cold_seconds)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA | dns.flags.AD
        reply.answer = [*self.find_records(question.name, dns.rdatatype.to_text(question.rdtype))]
        if not reply.answer and question.name not in self.list_owners():
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    def list_owners(self):
        return {dns.name.from_text(name) for name in self.names} | set(self.owners)

    def find_records(self, name, record_type):
        known = {dns.name.from_text(one): address for one, address in self.names.items()}
        if record_type == "A" and name in known:
            yield dns.rrset.from_text(name, 300, "IN", "A", known[name])
        if record_type == "PTR" and name in self.owners:
            yield dns.rrset.from_text(name, 300, "IN", "PTR", f"{self.owners[name]}.")


class Time(asyncio.DatagramProtocol):
    """The host's clock, that many seconds ahead."""

    def __init__(self, ahead_seconds):
        self.ahead_seconds = ahead_seconds

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        now = int((time.time() + self.ahead_seconds + UNIX_TO_NTP) * (1 << 32)) % (1 << 64)
        mark = NTP_PACKET.unpack(data)[-1]
        head = (4 << 3 | 4, 1, 6, -20, 0x20, 0x10, b"GPS\0")
        self.transport.sendto(NTP_PACKET.pack(*head, now, mark, now, now), address)


class Pages:
    """A shop that redirects once and packs its pages; /file never ends, and POST takes all."""

    packed = gzip.compress(PAGE, mtime=0)

    def __init__(self, names):
        self.names = names

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self.answer(head, reader, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            writer.close()

    async def answer(self, head, reader, writer):
        method, path = head.split()[:2]
        if path.startswith("/dns-query"):
            length = int(head.lower().partition("content-length: ")[2].split()[0])
            reply = await self.names.reply(await reader.readexactly(length))
            kind = "Content-Type: application/dns-message"
            writer.write(
                f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(reply)}\r\n\r\n".encode()
            )
            writer.write(reply)
        elif method == "POST":
            while await reader.read(len(PIECE)):
                pass
        elif path == "/file":
            writer.write(ENDLESS)
            while True:
                writer.write(PIECE)
                await writer.drain()
        else:
            writer.write(self.show(path, head.lower()))

    def show(self, path, head):
        if path == "/":
            return b"HTTP/1.1 301 Moved\r\nLocation: /shop\r\nContent-Length: 0\r\n\r\n"
        if path != "/shop":
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        if 'if-none-match: "v1"' in head:
            return b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n'
        lines = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
            'ETag: "v1"\r\nX-Cache: HIT\r\nAge: 42\r\nCache-Control: max-age=300\r\n'
            f"Content-Length: {len(self.packed)}\r\n\r\n"
        )
        return lines.encode() + self.packed


async def serve(certificate, addresses, known):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    tls.set_alpn_protocols(["http/1.1"])
    for place, address in enumerate(addresses):
        names = Names(known, COLD_SECONDS + place * MORE_COLD_SECONDS)
        clock = Time(place * MORE_AHEAD_SECONDS)
        await open_port(address, 53, names.serve_stream, datagrams=names)
        await open_port(address, 853, names.serve_stream, tls=tls)
        await open_port(address, 123, datagrams=clock)
        pages = Pages(names)
        await open_port(address, 80, pages.serve)
        await open_port(address, 443, pages.serve, tls=tls)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def open_port(address, port, streams=None, *, datagrams=None, tls=None):
    if streams is not None:
        await asyncio.start_server(streams, address, port, ssl=tls)
    if datagrams is not None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: datagrams, (address, port))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2:], json.load(sys.stdin)))
