"""Both ends of the kind `talk`: signed datagrams over a real socket."""

import asyncio
import hmac
from statistics import median

from streamswarm_agent.probes.base import Outcome, Sample

PAUSE_SECONDS = 0.1
WAIT_SECONDS = 1.0


def sign(key, run_id, number):
    text = f"{run_id} {number}".encode()
    return text + hmac.digest(key, text, "sha256")[:16]


class Answering(asyncio.DatagramProtocol):
    def __init__(self, request):
        self._request = request

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, datagram, sender):
        text = datagram[:-16]
        expected = hmac.digest(self._request.key, text, "sha256")[:16]
        is_ours = text.startswith(f"{self._request.run_id} ".encode())
        if is_ours and hmac.compare_digest(expected, datagram[-16:]):
            self._transport.sendto(datagram, sender)


class TalkResponder:
    kind = "talk"

    def __init__(self, clock):
        self._clock = clock

    async def serve(self, request):
        loop = asyncio.get_running_loop()
        address = request.bind_address or "0.0.0.0"  # noqa: S104 - its peer may come from anywhere
        transport, _answering = await loop.create_datagram_endpoint(
            lambda: Answering(request), local_addr=(address, request.port)
        )
        try:
            await self._clock.sleep(request.duration_seconds)
        finally:
            transport.close()


class Listening(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, datagram, _sender):
        self.answers.put_nowait(datagram)


class TalkProbe:
    kind = "talk"

    def __init__(self, clock, resolver):
        self._clock = clock

    async def run(self, request, emit):
        loop = asyncio.get_running_loop()
        transport, listening = await loop.create_datagram_endpoint(
            Listening, remote_addr=(request.peer.address, request.peer.port)
        )
        try:
            seconds, asked = await self._talk(request, emit, transport, listening)
        finally:
            transport.close()
        values = measure(seconds, asked)
        return Outcome(bool(seconds), "udp", values, {} if seconds else {"net.rtt.median": "T"})

    async def _talk(self, request, emit, transport, listening):
        seconds, asked = [], 0
        end = self._clock.monotonic() + request.duration_seconds
        while (sent_at := self._clock.monotonic()) < end:
            question = sign(request.peer.key, request.peer.run_id, asked)
            asked += 1
            transport.sendto(question)
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    while await listening.answers.get() != question:
                        pass
                seconds.append(self._clock.monotonic() - sent_at)
            except TimeoutError:
                pass
            await emit(Sample(measure(seconds, asked), {} if seconds else {"net.rtt.median": "T"}))
            await self._clock.sleep(PAUSE_SECONDS)
        return seconds, asked


def measure(seconds, asked):
    loss = {"net.packet.loss.ratio": 1 - len(seconds) / asked}
    return loss | ({"net.rtt.median": median(seconds)} if seconds else {})
