"""The answering end of UDP transfers, on the port that all runs of the process share."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from streamswarm_agent.probes.base import ResponderRequest
from streamswarm_agent.probes.datagram_socket import Datagram
from streamswarm_agent.probes.flow_client import wait_for_quiet
from streamswarm_agent.probes.flow_packet import (
    HELLO,
    build_flow_packet,
    derive_flow_keys,
    read_flow_packet,
)
from streamswarm_agent.probes.flow_report import read_flow_sent
from streamswarm_agent.probes.flow_transfer import FlowSender, FlowTaker
from streamswarm_agent.probes.responders.udp_port import PortSession, ReturnWay
from streamswarm_agent.probes.stream_report import (
    PROGRESS_SECONDS,
    SILENCE_SECONDS,
    TAIL_SECONDS,
    CpuTimes,
    TransferOrder,
    find_cpu_share,
    report_received,
)
from streamswarm_agent.probes.stream_transfer import DRAIN_SECONDS, run_in_thread
from streamswarm_agent.probes.stream_wire import Channel, StreamRefused

GREETING_SECONDS = 10.0
MOST_HELLOS = 64

Listen = Callable[[PortSession], AbstractContextManager[None]]


class FlowSession:
    """The packets of one transfer.

    Until a hello under the run's key comes from the address that the control connection has
    proved, nothing is counted and nothing leaves. Each attempt at it is answered once, with as
    many bytes as came; packets then go to, or are taken from, where the first came from.
    """

    def __init__(self, request: ResponderRequest, order: TransferOrder, address: str) -> None:
        self.keys = derive_flow_keys(request.key, request.run_id, order.direction)
        self.tag = self.keys.tag
        self.taker = FlowTaker(self.keys.forward, order.packet_bytes)
        self.way: ReturnWay | None = None
        self.has_greeted = asyncio.Event()
        self._traffic_class = order.dscp << 2
        self._address = address
        self._source: tuple[Any, ...] = ()
        self._hellos = 0

    def take(self, datagram: Datagram, answer: ReturnWay) -> bool:
        """As `PortSession.take`."""
        if self._source:
            if datagram.source != self._source:
                return False
        elif str(datagram.source[0]) != self._address:
            return False
        packet = read_flow_packet(self.keys.forward, datagram.payload)
        if packet is None:
            return False
        if packet.sequence == HELLO:
            self._greet(packet.sent_ns, datagram, answer)
        elif self.has_greeted.is_set():
            self.taker.take(datagram)
        return True

    def _greet(self, attempt: int, datagram: Datagram, answer: ReturnWay) -> None:
        if attempt >= MOST_HELLOS or self._hellos >> attempt & 1:
            return
        self._hellos |= 1 << attempt
        self._source = self._source or datagram.source
        self.way = answer.marked(self._traffic_class)
        hello = build_flow_packet(self.keys.reverse, self.tag, HELLO, sent_ns=attempt)
        answer(hello, self._traffic_class)
        self.has_greeted.set()


class FlowTransfer:
    """One transfer, as the initiator orders it."""

    def __init__(
        self,
        request: ResponderRequest,
        order: TransferOrder,
        control: Channel,
        cpu_times: CpuTimes,
    ) -> None:
        self._order = order
        self._control = control
        self._cpu_times = cpu_times
        self._session = FlowSession(request, order, str(control.socket.getpeername()[0]))

    async def carry(self, listen: Listen) -> None:
        """Carry it and say what came of it. Raises: OSError, TimeoutError, StreamRefused."""
        with listen(self._session):
            await self._control.send({"ready": True})
            async with asyncio.timeout(GREETING_SECONDS):
                await self._session.has_greeted.wait()
            before = self._cpu_times()
            await self._control.send({"started": True})
            if self._order.direction == "upload":
                await self._receive(before)
            else:
                await self._send(before)

    async def _receive(self, before: tuple[float, float]) -> None:
        order, taker = self._order, self._session.taker
        hearing = asyncio.ensure_future(self._control.receive())
        whole_seconds = order.omit_seconds + order.seconds + 2 * DRAIN_SECONDS
        try:
            async with asyncio.timeout(whole_seconds):
                while not (await asyncio.wait({hearing}, timeout=PROGRESS_SECONDS))[0]:
                    await self._control.send({"received": taker.counter.received.bytes})
        finally:
            hearing.cancel()
        sent = read_flow_sent(read_dict(hearing.result(), "sent"))
        await wait_for_quiet(taker)
        received = report_received(taker.counter.received, order.omit_seconds, order.seconds)
        flow = taker.counter.report(sent, taker.dropped_count)
        share = find_cpu_share(before, self._cpu_times())
        report = {"received": asdict(received), "flow": asdict(flow), "cpu": share}
        await self._control.send({"report": report})

    async def _send(self, before: tuple[float, float]) -> None:
        session, order = self._session, self._order
        if session.way is None:
            raise StreamRefused("nobody said where to send to")
        sender = FlowSender(session.way, session.keys.reverse, session.tag, order)
        seconds = order.omit_seconds + order.seconds + TAIL_SECONDS
        running = asyncio.ensure_future(run_in_thread(sender.run, seconds))
        hearing = asyncio.ensure_future(hear_until_done(self._control))
        try:
            await asyncio.wait({running, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                share = find_cpu_share(before, self._cpu_times())
                report = {"sent": asdict(running.result()), "cpu": share}
                await self._control.send({"report": report})
            await hearing
        finally:
            sender.stop()
            hearing.cancel()
            await asyncio.wait({running, hearing})


async def hear_until_done(control: Channel) -> None:
    """Until the initiator has all. Raises: StreamRefused, OSError; TimeoutError when it is silent.

    Packets go on only while it says that it is there.
    """
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            message = await control.receive()
        if "done" in message:
            return


def read_dict(message: dict[str, Any], word: str) -> dict[str, Any]:
    """What stands under the word. Raises: TypeError for anything else than an object."""
    found = message.get(word)
    if not isinstance(found, dict):
        raise TypeError(f"not a message with {word!r}")
    return found
