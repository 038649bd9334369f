"""Simulated agents: the load of many, over the real API, with every record accounted for."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from streamswarm_agent.errors import AgentError, CallRefused
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.runtime.simulated_anomalies import Anomaly, AnomalyPlan, PastAnomaly
from streamswarm_agent.runtime.simulated_delivery import Faults, Outbox, Tally
from streamswarm_agent.runtime.simulated_signals import Signal
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.batches import MAXIMUM_RECORDS, encode_batch
from streamswarm_agent.wire.records import SpooledRecord, encode_json, make_sequence
from streamswarm_agent.wire.times import format_time

_FLUSH_SECONDS = 1.0
_DRAIN_SECONDS = 60.0
_SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class Load:
    """What each simulated client does: frames a second, for so long, with what wrong in them.

    Without a duration it goes on until it is stopped, without `frames_per_request` a request
    leaves every second with what waits.
    """

    rate_per_second: float
    duration_seconds: float | None = None
    frames_per_request: int | None = None
    anomaly_share: float = 0.0
    faults: Faults = field(default_factory=Faults)

    @property
    def period_seconds(self) -> float:
        if self.frames_per_request is not None:
            return self.frames_per_request / self.rate_per_second
        return max(_FLUSH_SECONDS, 1 / self.rate_per_second)

    @property
    def frames(self) -> int | None:
        """How many frames each client comes to measure; None for no end."""
        if self.duration_seconds is None:
            return None
        return max(1, round(self.rate_per_second * self.duration_seconds))


@dataclass(frozen=True, slots=True)
class Notes:
    """Who is told of each frame that the server has, and of each anomaly that is over."""

    on_taken: Callable[[SpooledRecord], None]
    on_anomaly: Callable[[PastAnomaly], None]


class SimulatedClient:
    """One client that sends frames at a steady rate and retries until each is answered."""

    def __init__(
        self,
        server: ServerClient,
        signal: Signal,
        *,
        load: Load,
        tally: Tally,
        clock: Clock,
        rng: random.Random,
        notes: Notes,
    ) -> None:
        self._server = server
        self._signal = signal
        self._load = load
        self._tally = tally
        self._clock = clock
        self._rng = rng
        self._plan = AnomalyPlan(
            load.anomaly_share, signal.anomaly_kinds, rng, on_past=notes.on_anomaly
        )
        self._outbox = Outbox(
            load.faults,
            tally,
            rng,
            frames_per_request=load.frames_per_request,
            on_taken=notes.on_taken,
        )
        self._measured = 0
        self._backoff = Backoff()

    async def run(self, stop: asyncio.Event, *, start_delay_seconds: float) -> None:
        """Send the load until it is done or stopped, then what waits for at most a minute more."""
        await self._pause(stop, start_delay_seconds)
        begin, period_seconds = self._clock.monotonic(), self._load.period_seconds
        while not stop.is_set() and not self._is_done():
            elapsed_seconds = self._clock.monotonic() - begin
            self._measure_due(elapsed_seconds)
            await self._send_due()
            passed_seconds = (self._clock.monotonic() - begin) % period_seconds
            await self._pause(stop, period_seconds - passed_seconds)
        self._plan.close()
        limit = self._clock.monotonic() + _DRAIN_SECONDS
        while not self._outbox.is_empty and self._clock.monotonic() < limit:
            await self._send(self._outbox.pick(is_last=True))

    def _is_done(self) -> bool:
        return self._load.frames is not None and self._measured >= self._load.frames

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({stopped, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            slept.cancel()

    def _measure_due(self, elapsed_seconds: float) -> None:
        due = int(elapsed_seconds * self._load.rate_per_second) + 1
        if self._load.frames is not None:
            due = min(due, self._load.frames)
        begin_wall = self._clock.wall() - elapsed_seconds
        while self._measured < due:
            at = begin_wall + self._measured / self._load.rate_per_second
            self._measured += 1
            self._measure(at)

    def _measure(self, at: float) -> None:
        """Put one frame into the outbox; a late one belongs to no anomaly of today."""
        anomaly = self._plan.step(at)
        if anomaly is not None and anomaly.kind == "drop_out":
            self._tally.dropped_out += 1
            return
        delay_seconds = self._load.faults.draw_delay_seconds(self._rng)
        if delay_seconds > 0:
            self._tally.late += 1
            self._outbox.add(self._build_frame(at - delay_seconds, None))
        else:
            self._outbox.add(self._build_frame(at, anomaly))

    def _build_frame(self, at: float, anomaly: Anomaly | None) -> SpooledRecord:
        signal, layout_hash = self._signal, self._signal.layout.hash
        values, absent = signal.measure(at, anomaly)
        run_id = signal.find_run_id(at)
        run = "" if run_id is None else f',"run":"{run_id}"'
        payload = (
            f'{{"source":{{"kind":"{signal.source_kind}","subject":"{signal.subject}"}},'
            f'"seq":{make_sequence(1, self._measured)},"layout":"{layout_hash}",'
            f'"values":{encode_json(values)},"absent":{encode_json(absent)}{run}}}'
        )
        return SpooledRecord(
            self._measured, "frame", format_time(at), layout_hash, payload, len(payload)
        )

    async def _send_due(self) -> None:
        full = self._load.frames_per_request or MAXIMUM_RECORDS
        while records := self._outbox.pick():
            is_answered = await self._send(records)
            if not is_answered or len(records) < full:
                return

    async def _send(self, records: list[SpooledRecord]) -> bool:
        """Whether one request with these records was answered; on failure it has waited."""
        if not records:
            return False
        layout = self._signal.layout
        body = encode_batch(records, {layout.hash: layout.keys})
        begin = self._clock.monotonic()
        self._tally.requests += 1
        try:
            answer = await self._server.send_records(body)
        except AgentError as error:
            self._note_failure(error, records)
            await self._clock.sleep(self._backoff.next_delay_seconds(error))
            return False
        self._backoff.reset()
        self._tally.latencies_seconds.append(self._clock.monotonic() - begin)
        self._outbox.account(answer)
        return True

    def _note_failure(self, error: AgentError, records: list[SpooledRecord]) -> None:
        if isinstance(error, CallRefused):
            self._tally.errors[f"{error.status} {error.code}"] += 1
            if error.status < _SERVER_FAULT:
                return
        else:
            self._tally.errors[str(error)] += 1
        self._outbox.note_failure(records)
