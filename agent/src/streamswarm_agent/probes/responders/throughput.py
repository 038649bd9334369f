"""The answering end of `throughput`: takes and sends what whoever holds the run's key orders."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, fields, replace
from typing import Any, ClassVar

from streamswarm_agent.probes.base import Clock, ResponderRequest
from streamswarm_agent.probes.loaded_latency import SESSIONS, name_session
from streamswarm_agent.probes.responders.flow import FlowTransfer
from streamswarm_agent.probes.responders.stream_port import SHARED_STREAM_PORTS, StreamPorts
from streamswarm_agent.probes.responders.udp_port import SHARED_PORTS, PortSession, UdpPorts
from streamswarm_agent.probes.responders.udp_session import ReflectedSession
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.stream_report import (
    MOST_STREAMS,
    PROGRESS_SECONDS,
    TAIL_SECONDS,
    CpuTimes,
    TransferOrder,
    find_cpu_share,
    read_cpu_times,
    report_received,
    write_sent,
)
from streamswarm_agent.probes.stream_transfer import (
    DRAIN_SECONDS,
    StreamReceiver,
    StreamSender,
    run_in_thread,
)
from streamswarm_agent.probes.stream_tuning import TuningRefused, tune_accepted, tune_sender
from streamswarm_agent.probes.stream_wire import CONTROL, Channel, StreamKeys, StreamRefused

JOIN_SECONDS = 15.0


class ThroughputSession:
    """One run: a control connection, and the streams that it orders."""

    def __init__(self, request: ResponderRequest, cpu_times: CpuTimes, datagrams: UdpPorts) -> None:
        self._request = request
        self._datagrams = datagrams
        self.keys = StreamKeys.derive(request.key, request.run_id)
        self.allowed_address = request.allowed_address
        self._most_seconds = request.duration_seconds
        self._cpu_times = cpu_times
        self._streams: dict[int, Channel] = {}
        self._has_joined = asyncio.Event()
        self._control: asyncio.Task[None] | None = None
        self._worker: StreamSender | StreamReceiver | None = None
        self._is_over = False

    def join(self, number: int, channel: Channel) -> None:
        """As `StreamSession.join`; a second control connection takes the place of the first.

        None is taken that proved itself only after the run's time, or that no order can be for.
        """
        if self._is_over or (number != CONTROL and number >= MOST_STREAMS):
            channel.socket.close()
            return
        if number == CONTROL:
            self._control = asyncio.create_task(self._succeed(self._control, channel))
            return
        before = self._streams.pop(number, None)
        if before is not None:
            before.socket.close()
        self._streams[number] = channel
        self._has_joined.set()

    async def close(self) -> None:
        """End all that is under way."""
        self._is_over = True
        await self._end(self._control)
        self._drop_streams()

    async def _succeed(self, before: asyncio.Task[None] | None, control: Channel) -> None:
        """Obey once the control connection before is no longer obeyed."""
        try:
            await self._end(before)
            await self._obey(control)
        finally:
            control.socket.close()

    async def _end(self, control: asyncio.Task[None] | None) -> None:
        if self._worker is not None:
            self._worker.stop()
        if control is not None:
            control.cancel()
            await asyncio.gather(control, return_exceptions=True)

    async def _obey(self, control: Channel) -> None:
        with suppress(StreamRefused, OSError, TimeoutError):
            while True:
                message = await control.receive()
                try:
                    await self._transfer(read_order(message), control)
                except (ValueError, TypeError, KeyError, OverflowError, TuningRefused) as error:
                    await control.send({"refusal": str(error)[:200]})
                finally:
                    self._drop_streams()

    async def _transfer(self, order: TransferOrder, control: Channel) -> None:
        whole_seconds = order.omit_seconds + order.seconds + TAIL_SECONDS
        if whole_seconds > self._most_seconds:
            raise ValueError(f"seconds: the run has only {self._most_seconds:g}")
        if order.protocol == "udp":
            flow = FlowTransfer(self._request, order, control, self._cpu_times)
            await flow.carry(self._listen)
            return
        await control.send({"ready": True})
        async with asyncio.timeout(JOIN_SECONDS):
            while len(self._streams) < order.streams:
                self._has_joined.clear()
                await self._has_joined.wait()
        sockets = [channel.socket for channel in self._streams.values()]
        for one in sockets:
            tune_accepted(one, order)
        before = self._cpu_times()
        if order.direction == "upload":
            report = await self._receive(StreamReceiver(sockets), order, control)
        else:
            for one in sockets:
                tune_sender(one, order)
            report = await self._send(StreamSender(sockets, order.glance_seconds), order, control)
        await control.send({"report": {**report, "cpu": find_cpu_share(before, self._cpu_times())}})

    async def _send(
        self, sender: StreamSender, order: TransferOrder, control: Channel
    ) -> dict[str, Any]:
        self._worker = sender
        await control.send({"started": True})
        whole_seconds = order.omit_seconds + order.seconds + TAIL_SECONDS
        running = asyncio.ensure_future(run_in_thread(sender.run, whole_seconds))
        try:
            # Not cancelled with the control connection: its sockets are in use until it ends.
            await asyncio.wait({running})
        finally:
            sender.stop()
            await asyncio.wait({running})
        return {"sent": write_sent(running.result())}

    async def _receive(
        self, receiver: StreamReceiver, order: TransferOrder, control: Channel
    ) -> dict[str, Any]:
        self._worker = receiver
        most_seconds = order.omit_seconds + order.seconds + 2 * DRAIN_SECONDS
        await control.send({"started": True})
        running = asyncio.ensure_future(run_in_thread(receiver.run, most_seconds))
        try:
            while not (await asyncio.wait({running}, timeout=PROGRESS_SECONDS))[0]:
                await control.send({"received": receiver.received.bytes})
        finally:
            receiver.stop()
            await running
        summary = report_received(receiver.received, order.omit_seconds, order.seconds)
        return {"received": asdict(summary)}

    def _listen(self, session: PortSession) -> AbstractContextManager[None]:
        request = self._request
        return self._datagrams.listen(session, bind_address=request.bind_address, port=request.port)

    def _drop_streams(self) -> None:
        for channel in self._streams.values():
            channel.socket.close()
        self._streams.clear()


class ThroughputResponder:
    """Listens for the run's time: TCP for the transfers, UDP for the pings beside them."""

    kind: ClassVar[str] = "throughput"

    def __init__(
        self,
        clock: Clock,
        streams: StreamPorts = SHARED_STREAM_PORTS,
        datagrams: UdpPorts = SHARED_PORTS,
        cpu_times: CpuTimes = read_cpu_times,
    ) -> None:
        self._clock = clock
        self._streams = streams
        self._datagrams = datagrams
        self._cpu_times = cpu_times

    async def serve(self, request: ResponderRequest) -> None:
        """Answer the holder of the run's key; see `Responder`. Raises: ProbeFailed."""
        session = ThroughputSession(request, self._cpu_times, self._datagrams)
        place: dict[str, Any] = {"bind_address": request.bind_address, "port": request.port}
        with ExitStack() as listening:
            listening.enter_context(self._streams.listen(session, **place))
            for name in SESSIONS:
                named = replace(request, run_id=name_session(request.run_id, name))
                reflected = ReflectedSession(named, SessionClocks())
                listening.enter_context(self._datagrams.listen(reflected, **place))
            try:
                await self._clock.sleep(request.duration_seconds)
            finally:
                await session.close()


def read_order(message: Mapping[str, Any]) -> TransferOrder:
    """The order that a message is. Raises: ValueError or TypeError naming what is wrong."""
    wanted = message.get("transfer")
    if not isinstance(wanted, dict):
        raise TypeError("not an order")
    known = {one.name for one in fields(TransferOrder)}
    return TransferOrder(**{name: value for name, value in wanted.items() if name in known})
