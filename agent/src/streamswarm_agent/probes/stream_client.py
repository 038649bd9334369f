"""The initiating end of transfers: its control connection, the streams, and what they came to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.flow_client import FlowClient
from streamswarm_agent.probes.stream_report import (
    PROGRESS_SECONDS,
    TAIL_SECONDS,
    CpuTimes,
    ReceivedReport,
    TransferOrder,
    TransferReport,
    find_cpu_share,
    read_received,
    read_sent,
    report_received,
)
from streamswarm_agent.probes.stream_transfer import (
    DRAIN_SECONDS,
    Sent,
    StreamReceiver,
    StreamSender,
    run_in_thread,
)
from streamswarm_agent.probes.stream_tuning import open_stream_socket, tune_sender
from streamswarm_agent.probes.stream_wire import (
    CONTROL,
    Channel,
    StreamKeys,
    StreamRefused,
    introduce,
)
from streamswarm_agent.probes.stream_words import expect, read_report, read_share, understanding

CONNECT_SECONDS = 10.0
FIRST_ATTEMPTS = 25
FIRST_PAUSE_SECONDS = 0.2

Progress = Callable[[int, Sent | None], Awaitable[None]]
"""Is told the bytes that the receiver has so far, and what our own sender knows."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How the connections look."""

    dscp: int = 0
    mss: int = 0


PLAIN_ORDER = TransferOrder("upload", 1, 1.0, 0.0, 1.0)


class StreamClient:
    """Orders transfers from the peer, one after the other."""

    def __init__(self, peer: Peer, settings: StreamSettings, cpu_times: CpuTimes) -> None:
        self._peer = peer
        self._settings = settings
        self._cpu_times = cpu_times
        self._keys = StreamKeys.derive(peer.key, peer.run_id)
        self._control: Channel | None = None
        self._streams: list[socket.socket] = []
        self.stream_ports: list[int] = []

    async def open(self) -> None:
        """Connect to the peer and prove this end.

        A peer that refuses may not listen yet: it is asked again for five seconds.
        Raises: OSError, TimeoutError, StreamRefused.
        """
        for attempts_left in reversed(range(FIRST_ATTEMPTS)):
            opened = open_stream_socket(self._peer.address, PLAIN_ORDER, dscp=0, mss=0)
            try:
                self._control = await self._connect(opened, CONTROL)
            except (ConnectionError, StreamRefused):
                if not attempts_left:
                    raise
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
            else:
                return

    def close(self) -> None:
        """Give all connections back."""
        self._drop_streams()
        if self._control is not None:
            self._control.socket.close()

    async def transfer(self, order: TransferOrder, progress: Progress) -> TransferReport:
        """One transfer as ordered.

        Raises: OSError, TimeoutError, StreamRefused, TuningRefused.
        """
        control = self._control
        if control is None:
            raise StreamRefused("there is no control connection")
        if order.protocol == "udp":
            flow = FlowClient(self._peer, control, self._cpu_times, self._settings.dscp)
            return await flow.transfer(order, progress)
        try:
            await control.send({"transfer": asdict(order)})
            await expect(control, "ready")
            await self._open_streams(order)
            before = self._cpu_times()
            if order.direction == "upload":
                received, sent, remote = await self._send(control, order, progress)
            else:
                received, sent, remote = await self._receive(control, order, progress)
            local = find_cpu_share(before, self._cpu_times())
        finally:
            self._drop_streams()
        return TransferReport(received, sent, local, remote)

    async def _send(
        self, control: Channel, order: TransferOrder, progress: Progress
    ) -> tuple[ReceivedReport, Sent, float | None]:
        sender = StreamSender(self._streams, order.glance_seconds)
        await expect(control, "started")
        seconds = order.omit_seconds + order.seconds + TAIL_SECONDS
        running = asyncio.ensure_future(run_in_thread(sender.run, seconds))
        try:
            async with asyncio.timeout(seconds + 4 * DRAIN_SECONDS):
                message = await control.receive()
                while "received" in message:
                    with understanding():
                        received = int(message["received"])
                    await progress(received, sender.sent)
                    message = await control.receive()
                report = read_report(message)
        finally:
            sender.stop()
            await asyncio.wait({running})
        with understanding():
            return read_received(report["received"]), running.result(), read_share(report)

    async def _receive(
        self, control: Channel, order: TransferOrder, progress: Progress
    ) -> tuple[ReceivedReport, Sent, float | None]:
        receiver = StreamReceiver(self._streams)
        await expect(control, "started")
        seconds = order.omit_seconds + order.seconds + 2 * DRAIN_SECONDS
        running = asyncio.ensure_future(run_in_thread(receiver.run, seconds))
        try:
            while not (await asyncio.wait({running}, timeout=PROGRESS_SECONDS))[0]:
                await progress(receiver.received.bytes, None)
        finally:
            receiver.stop()
            await asyncio.wait({running})
        async with asyncio.timeout(4 * DRAIN_SECONDS):
            report = read_report(await control.receive())
        received = report_received(receiver.received, order.omit_seconds, order.seconds)
        with understanding():
            return received, read_sent(report["sent"]), read_share(report)

    async def _open_streams(self, order: TransferOrder) -> None:
        settings = self._settings
        for number in range(order.streams):
            opened = open_stream_socket(
                self._peer.address, order, dscp=settings.dscp, mss=settings.mss
            )
            self._streams.append(opened)
            if order.direction == "upload":
                tune_sender(opened, order)
            await self._connect(opened, number)
            self.stream_ports.append(opened.getsockname()[1])

    async def _connect(self, opened: socket.socket, number: int) -> Channel:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                loop = asyncio.get_running_loop()
                await loop.sock_connect(opened, (self._peer.address, self._peer.port))
                return await introduce(opened, self._keys, number)
        except BaseException:
            opened.close()
            raise

    def _drop_streams(self) -> None:
        for opened in self._streams:
            with suppress(OSError):
                opened.close()
        self._streams = []
