"""Sends what the spool holds: live records first, then the backlog at a limited rate."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from streamswarm_agent.errors import AgentError, CallFailed, CallRefused
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.runtime.crash import PassPoint, pass_unharmed
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.runtime.spool_thread import SpoolThread
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import FOREIGN_ANSWER, ServerClient
from streamswarm_agent.wire.batches import (
    MAXIMUM_PLAIN_BYTES,
    MAXIMUM_RECORDS,
    MAXIMUM_WIRE_BYTES,
    encode_batch,
)
from streamswarm_agent.wire.messages import RecordsAnswer, Rejection
from streamswarm_agent.wire.records import SpooledRecord
from streamswarm_agent.wire.times import parse_time

logger = logging.getLogger(__name__)

_LIVE_BATCHES = 10
_TOO_LARGE = 413
_BAD_REQUEST = 400


class Selection(Protocol):
    def __call__(self, *, records: int, size_bytes: int) -> list[SpooledRecord]: ...


class Uploader:
    """Empties the spool into the server; one upload at a time."""

    def __init__(
        self,
        spool: Spool,
        thread: SpoolThread,
        client: ServerClient,
        *,
        settings: Settings,
        clock: Clock,
        wake: asyncio.Event,
        read_batch_records: Callable[[], int] = lambda: MAXIMUM_RECORDS,
        pass_point: PassPoint = pass_unharmed,
    ) -> None:
        """`wake` is set while more waits than one flush sends."""
        self._spool = spool
        self._thread = thread
        self._client = client
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._read_batch_records = read_batch_records
        self._pass_point = pass_point
        self._last_flush = float("-inf")
        self.last_duration_seconds: float | None = None
        self.oldest_at: float | None = None

    async def flush_paced(self) -> None:
        """As `flush`, but no sooner than the streaming interval after the last one."""
        next_flush = self._last_flush + self._settings.config.stream_seconds
        await self._clock.sleep(max(0.0, next_flush - self._clock.monotonic()))
        self._last_flush = self._clock.monotonic()
        await self.flush()

    async def flush(self) -> None:
        """Send the live records and one batch of the backlog.

        However fast new records come, the backlog has its turn after ten batches of them.
        Raises: CallFailed, CallRefused or StateUnusable; what was not settled is then backlog.
        """
        try:
            for _batch in range(_LIVE_BATCHES):
                if not await self._send_waiting(self._spool.list_live):
                    break
            else:
                self._wake.set()
            if await self._send_waiting(self._spool.list_backlog):
                self._wake.set()
        except AgentError:
            await self._thread.call(self._spool.demote_live)
            raise
        finally:
            await self._thread.call(self._note_oldest)

    async def _send_waiting(self, select: Selection) -> bool:
        """Send one batch of the selection; False when it was empty."""
        records = await self._thread.call(
            select, records=self._read_batch_records(), size_bytes=MAXIMUM_PLAIN_BYTES
        )
        if records:
            await self._send(records)
        return bool(records)

    async def _send(self, records: list[SpooledRecord]) -> None:
        body = await self._thread.call(self._encode, records)
        if len(body) > MAXIMUM_WIRE_BYTES:
            await self._send_parts(records, CallRefused(_TOO_LARGE, "too_large", "over 1 MB"))
            return
        begin = self._clock.monotonic()
        try:
            answer = await self._client.send_records(body)
        except CallRefused as refusal:
            if not _is_about_the_batch(refusal):
                raise
            if refusal.retry_after_seconds is not None:
                await self._clock.sleep(Backoff().next_delay_seconds(refusal))
            await self._send_parts(records, refusal)
            return
        self.last_duration_seconds = self._clock.monotonic() - begin
        self._pass_point("after_answer")
        await self._settle(answer)

    async def _send_parts(self, records: list[SpooledRecord], refusal: CallRefused) -> None:
        """Halve a batch that is refused whole, until the one record at fault stands alone."""
        if len(records) == 1:
            rejection = Rejection(str(records[0].id), refusal.code, "", refusal.detail)
            await self._settle(RecordsAnswer((), (), (rejection,)))
            return
        middle = len(records) // 2
        await self._send(records[:middle])
        await self._send(records[middle:])

    async def _settle(self, answer: RecordsAnswer) -> None:
        settled = await self._thread.call(self._spool.settle, answer)
        for rejection in answer.rejected:
            logger.warning(
                "record_rejected code=%s field=%s detail=%s",
                rejection.code,
                rejection.field,
                rejection.detail,
            )
        if settled == 0:
            raise CallFailed("records: the server settled none of the records it was sent")

    def _encode(self, records: list[SpooledRecord]) -> bytes:
        hashes = {record.layout for record in records if record.layout is not None}
        return encode_batch(records, self._spool.read_layouts(hashes))

    def _note_oldest(self) -> None:
        oldest = self._spool.read_oldest_time()
        self.oldest_at = None if oldest is None else parse_time(oldest)


def _is_about_the_batch(refusal: CallRefused) -> bool:
    """Whether a smaller batch may pass; a 400 counts only when it is our server that speaks."""
    is_malformed = refusal.status == _BAD_REQUEST and refusal.code != FOREIGN_ANSWER
    return is_malformed or refusal.status == _TOO_LARGE
