"""Simulated agents: the load of many, over the real API, with every record accounted for."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from streamswarm_agent.errors import AgentError, CallRefused
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.batches import MAXIMUM_RECORDS, encode_batch
from streamswarm_agent.wire.layouts import Layout, build_layout
from streamswarm_agent.wire.messages import RecordsAnswer
from streamswarm_agent.wire.records import SpooledRecord, encode_json, make_sequence
from streamswarm_agent.wire.times import format_time

_FLUSH_SECONDS = 1.0
_PREPARED_FRAMES = 256
_DRAIN_SECONDS = 60.0
_SERVER_FAULT = 500


@dataclass(slots=True)
class Tally:
    """What became of everything that was sent, summed over all clients."""

    frames: int = 0
    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    duplicate: int = 0
    unexplained_duplicate: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    latencies_seconds: list[float] = field(default_factory=list)

    @property
    def unanswered(self) -> int:
        return self.frames - self.stored - self.duplicate - self.rejections.total()

    @property
    def is_exactly_once(self) -> bool:
        """Whether each frame was taken exactly once: doubled answers only after lost ones."""
        return (
            self.frames > 0
            and self.unanswered == 0
            and self.rejections.total() == 0
            and self.unexplained_duplicate == 0
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What each simulated client does: frames a second, metrics a frame, seconds."""

    rate_per_second: float
    metrics: int
    duration_seconds: float


class FrameMaker:
    """Frames of one layout with prepared random values: cheap, yet not alike for gzip."""

    def __init__(self, metrics: int, rng: random.Random) -> None:
        """Raises: ValueError for more metrics than a layout holds."""
        keys = [f"system.cpu.utilization{{cpu={number}}}" for number in range(metrics)]
        self.layout: Layout = build_layout(keys)
        self._rng = rng
        self._values = [
            encode_json([round(rng.random(), 4) for _ in range(metrics)])
            for _ in range(_PREPARED_FRAMES)
        ]

    def make(self, number: int, sequence: int, at: float) -> SpooledRecord:
        payload = (
            f'{{"source":{{"kind":"cpu","subject":""}},"seq":{sequence},'
            f'"layout":"{self.layout.hash}","values":{self._rng.choice(self._values)},"absent":{{}}}}'
        )
        layout_hash = self.layout.hash
        return SpooledRecord(number, "frame", format_time(at), layout_hash, payload, len(payload))


class SimulatedClient:
    """One client that sends frames at a steady rate and retries until each is answered."""

    def __init__(
        self,
        client: ServerClient,
        frame_maker: FrameMaker,
        tally: Tally,
        *,
        clock: Clock,
        on_taken: Callable[[SpooledRecord, int], None],
    ) -> None:
        """`on_taken` is told each record that the server took, with its sequence number."""
        self._client = client
        self._frame_maker = frame_maker
        self._tally = tally
        self._clock = clock
        self._on_taken = on_taken
        self._waiting: dict[str, SpooledRecord] = {}
        self._maybe_taken: set[str] = set()
        self._made = 0
        self._backoff = Backoff()

    async def run(self, load: Load, *, start_delay_seconds: float) -> None:
        """Send the load, then what still waits for at most a minute more."""
        await self._clock.sleep(start_delay_seconds)
        begin = self._clock.monotonic()
        period_seconds = max(_FLUSH_SECONDS, 1 / load.rate_per_second)
        total = max(1, round(load.rate_per_second * load.duration_seconds))
        while self._made < total:
            elapsed_seconds = self._clock.monotonic() - begin
            due = min(total, int(elapsed_seconds * load.rate_per_second) + 1)
            self._make_frames(due, load, begin_wall=self._clock.wall() - elapsed_seconds)
            await self._send_waiting()
            passed_seconds = (self._clock.monotonic() - begin) % period_seconds
            await self._clock.sleep(period_seconds - passed_seconds)
        limit = self._clock.monotonic() + _DRAIN_SECONDS
        while self._waiting and self._clock.monotonic() < limit:
            await self._send_waiting()

    def _make_frames(self, due: int, load: Load, *, begin_wall: float) -> None:
        while self._made < due:
            at = begin_wall + self._made / load.rate_per_second
            self._made += 1
            sequence = make_sequence(1, self._made)
            self._waiting[str(self._made)] = self._frame_maker.make(self._made, sequence, at)
            self._tally.frames += 1

    async def _send_waiting(self) -> None:
        """One request with the oldest waiting records; on failure the wait before the next."""
        records = list(self._waiting.values())[:MAXIMUM_RECORDS]
        layout = self._frame_maker.layout
        body = encode_batch(records, {layout.hash: layout.keys})
        begin = self._clock.monotonic()
        self._tally.requests += 1
        try:
            answer = await self._client.send_records(body)
        except AgentError as error:
            self._note_failure(error, records)
            await self._clock.sleep(self._backoff.next_delay_seconds(error))
            return
        self._backoff.reset()
        self._tally.latencies_seconds.append(self._clock.monotonic() - begin)
        self._account(answer)

    def _note_failure(self, error: AgentError, records: list[SpooledRecord]) -> None:
        if isinstance(error, CallRefused):
            self._tally.errors[f"{error.status} {error.code}"] += 1
            if error.status < _SERVER_FAULT:
                return
        else:
            self._tally.errors[str(error)] += 1
        self._maybe_taken.update(str(record.id) for record in records)

    def _account(self, answer: RecordsAnswer) -> None:
        for rejection in answer.rejected:
            if self._waiting.pop(rejection.id, None) is not None:
                self._tally.rejections[f"{rejection.code} {rejection.field}".strip()] += 1
        for record_id in answer.stored:
            self._tally.stored += self._take(record_id)
        for record_id in answer.duplicate:
            taken = self._take(record_id)
            self._tally.duplicate += taken
            if record_id not in self._maybe_taken:
                self._tally.unexplained_duplicate += taken

    def _take(self, record_id: str) -> int:
        record = self._waiting.pop(record_id, None)
        if record is None:
            return 0
        self._on_taken(record, make_sequence(1, record.id))
        return 1
