"""The initiating end of a UDP transfer: it shows where it is, then sends or counts."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.datagram_socket import open_udp_socket, receive_within
from streamswarm_agent.probes.flow_count import FlowReport, FlowSent
from streamswarm_agent.probes.flow_packet import (
    HELLO,
    build_flow_packet,
    derive_flow_keys,
    read_flow_packet,
)
from streamswarm_agent.probes.flow_report import read_flow_report, read_flow_sent
from streamswarm_agent.probes.flow_transfer import FlowReceiver, FlowSender, FlowTaker, SocketWay
from streamswarm_agent.probes.icmp_socket import set_traffic_class
from streamswarm_agent.probes.session_packet import SessionKeys
from streamswarm_agent.probes.stream_report import (
    PROGRESS_SECONDS,
    SILENCE_SECONDS,
    TAIL_SECONDS,
    CpuTimes,
    ReceivedReport,
    TransferOrder,
    TransferReport,
    find_cpu_share,
    read_received,
    report_received,
)
from streamswarm_agent.probes.stream_transfer import DRAIN_SECONDS, Sent, run_in_thread
from streamswarm_agent.probes.stream_wire import Channel, StreamRefused
from streamswarm_agent.probes.stream_words import expect, read_report, read_share, understanding

HELLO_ATTEMPTS = 25
HELLO_SECONDS = 0.2
QUIET_SECONDS = 0.5

Progress = Callable[[int, Sent | None], Awaitable[None]]


class FlowClient:
    """Carries one transfer over UDP; what both ends say of it goes over the control connection."""

    def __init__(self, peer: Peer, control: Channel, cpu_times: CpuTimes, dscp: int) -> None:
        self._peer = peer
        self._control = control
        self._cpu_times = cpu_times
        self._dscp = dscp

    async def transfer(self, order: TransferOrder, progress: Progress) -> TransferReport:
        """One transfer as ordered. Raises: OSError, TimeoutError, StreamRefused."""
        peer = self._peer
        keys = derive_flow_keys(peer.key, peer.run_id, order.direction)
        await self._control.send({"transfer": asdict(order)})
        await expect(self._control, "ready")
        opened = open_udp_socket(socket.AF_INET6 if ":" in peer.address else socket.AF_INET)
        try:
            set_traffic_class(opened, self._dscp << 2)
            opened.connect((peer.address, peer.port))
            await self._greet(opened, keys)
            before = self._cpu_times()
            work = self._send if order.direction == "upload" else self._receive
            received, sent, flow, remote = await work(opened, keys, order, progress)
            local = find_cpu_share(before, self._cpu_times())
        finally:
            opened.close()
        plain = Sent(sent.bytes, sent.seconds, is_cut_short=sent.is_cut_short)
        return TransferReport(received, plain, local, remote, flow)

    async def _greet(self, opened: socket.socket, keys: SessionKeys) -> None:
        """Show the peer where packets come from. Raises: StreamRefused when it does not answer."""
        for attempt in range(HELLO_ATTEMPTS):
            hello = build_flow_packet(keys.forward, keys.tag, HELLO, sent_ns=attempt)
            with suppress(OSError):
                opened.send(hello)
            packet = await receive_within(opened, HELLO_SECONDS)
            answer = read_flow_packet(keys.reverse, packet)
            if answer is not None and answer.sequence == HELLO:
                return
        raise StreamRefused("UDP packets do not reach the peer, or its answers do not come back")

    async def _send(
        self, opened: socket.socket, keys: SessionKeys, order: TransferOrder, progress: Progress
    ) -> tuple[ReceivedReport, FlowSent, FlowReport, float | None]:
        await expect(self._control, "started")
        sender = FlowSender(SocketWay(opened), keys.forward, keys.tag, order)
        seconds = order.omit_seconds + order.seconds + TAIL_SECONDS
        running = asyncio.ensure_future(run_in_thread(sender.run, seconds))
        has_said_all = False
        try:
            message = await self._hear()
            while "received" in message:
                if running.done() and not has_said_all:
                    await self._control.send({"sent": asdict(running.result())})
                    has_said_all = True
                with understanding():
                    received_bytes = int(message["received"])
                await progress(received_bytes, None)
                message = await self._hear()
            report = read_report(message)
        finally:
            sender.stop()
            await asyncio.wait({running})
        with understanding():
            received, flow = read_received(report["received"]), read_flow_report(report["flow"])
            return received, running.result(), flow, read_share(report)

    async def _hear(self) -> dict[str, Any]:
        """What the peer says next. Raises: StreamRefused when it falls silent."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await self._control.receive()
        except TimeoutError as error:
            raise StreamRefused(f"the peer said nothing for {SILENCE_SECONDS:g} s") from error

    async def _receive(
        self, opened: socket.socket, keys: SessionKeys, order: TransferOrder, progress: Progress
    ) -> tuple[ReceivedReport, FlowSent, FlowReport, float | None]:
        taker = FlowTaker(keys.reverse, order.packet_bytes)
        receiver = FlowReceiver(opened, taker)
        whole_seconds = order.omit_seconds + order.seconds + 4 * DRAIN_SECONDS
        running = asyncio.ensure_future(run_in_thread(receiver.run, whole_seconds))
        hearing: asyncio.Future[dict[str, Any]] | None = None
        try:
            await expect(self._control, "started")
            hearing = asyncio.ensure_future(self._control.receive())
            async with asyncio.timeout(whole_seconds):
                while not (await asyncio.wait({hearing}, timeout=PROGRESS_SECONDS))[0]:
                    received_bytes = taker.counter.received.bytes
                    await self._control.send({"alive": received_bytes})
                    await progress(received_bytes, None)
            report = read_report(hearing.result())
            await wait_for_quiet(taker)
            await self._control.send({"done": True})
        finally:
            receiver.stop()
            if hearing is not None:
                hearing.cancel()
            await asyncio.wait({running})
        with understanding():
            sent, remote = read_flow_sent(report["sent"]), read_share(report)
        received = report_received(taker.counter.received, order.omit_seconds, order.seconds)
        return received, sent, taker.counter.report(sent, taker.dropped_count), remote


async def wait_for_quiet(taker: FlowTaker) -> None:
    """Until packets that are still under way have come in, for as long as a transfer drains."""
    before = -1
    for _ in range(int(DRAIN_SECONDS / QUIET_SECONDS)):
        if taker.counter.received_count == before:
            return
        before = taker.counter.received_count
        await asyncio.sleep(QUIET_SECONDS)
