"""Turns what was measured into records, on disk before anybody hears of it."""

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from streamswarm_agent.collectors.base import CollectedFact, Collection
from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.probes.base import Sample
from streamswarm_agent.runtime.clock import ServerTime
from streamswarm_agent.runtime.crash import PassPoint, pass_unharmed
from streamswarm_agent.runtime.spool_thread import SpoolThread
from streamswarm_agent.spool.ledger import Ledger
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.wire.records import (
    Record,
    Source,
    build_document,
    build_fact,
    build_frame,
    encode_json,
    make_sequence,
    split_measurements,
)
from streamswarm_agent.wire.results import Finding, StartedRun, build_result
from streamswarm_agent.wire.times import format_time

logger = logging.getLogger(__name__)


class Recorder:
    """Gives every measurement its time and number and spools it."""

    def __init__(
        self,
        spool: Spool,
        thread: SpoolThread,
        server_time: ServerTime,
        *,
        boot_counter: int,
        on_urgent: Callable[[], None],
        ledger: Ledger | None = None,
        pass_point: PassPoint = pass_unharmed,
    ) -> None:
        """`on_urgent` is called after a record that somebody may be watching for."""
        self._spool = spool
        self._thread = thread
        self._server_time = server_time
        self._sequence = (make_sequence(boot_counter, number) for number in itertools.count(1))
        self._on_urgent = on_urgent
        self._ledger = ledger
        self._pass_point = pass_point

    async def close_interrupted_runs(self) -> int:
        """Write an aborted result for each run an earlier process left open; how many."""
        interrupted = await self._thread.call(self._spool.list_interrupted_runs)
        for started in interrupted:
            finding = Finding("aborted", "the agent died while the run was under way")
            await self.finish_run(started, finding)
        return len(interrupted)

    async def complete_ledger(self) -> None:
        """List what a dying process spooled but could not list any more."""
        await self._thread.call(self._list_spooled)

    async def record_sample(self, assignment_id: str, run_id: str, sample: Sample) -> None:
        source = Source("assignment", assignment_id)
        frames = self._build_frames(source, sample.values, sample.absent, run_id=run_id)
        await self._thread.call(self._keep, frames)
        self._on_urgent()

    async def record_collection(self, collection: Collection) -> None:
        frames = [
            record
            for frame in collection.frames
            for record in self._build_frames(
                Source(frame.source_kind, frame.subject), frame.values, frame.absent
            )
        ]
        at = self._now()
        documents = [
            build_document(Source(document.kind, ""), at=at, body=document.body)
            for document in collection.documents
        ]
        await self._thread.call(self._keep, [*frames, *documents])
        if collection.facts:
            await self._thread.call(self._keep_changed, collection.facts, self._now())

    async def record_inventory(self, inventory: Mapping[str, Any]) -> None:
        record = Record("inventory", self._now(), encode_json(inventory))
        await self._thread.call(self._keep, [record])
        self._on_urgent()

    async def begin_run(self, started: StartedRun, *, latest_start_ms: int) -> None:
        try:
            await self._thread.call(self._spool.begin_run, started, latest_start_ms=latest_start_ms)
        except StateUnusable as error:
            logger.warning("run_not_journaled run=%s reason=%s", started.run, error)

    async def finish_run(self, started: StartedRun, finding: Finding) -> None:
        result = build_result(started, finding, finished_at=self._now())
        await self._thread.call(self._keep_result, started.run, result)
        self._on_urgent()

    def _now(self) -> str:
        return format_time(self._server_time.now())

    def _build_frames(
        self,
        source: Source,
        values: Mapping[str, float],
        absent: Mapping[str, str],
        run_id: str | None = None,
    ) -> list[Record]:
        at = self._now()
        return [
            build_frame(
                source,
                at=at,
                sequence=next(self._sequence),
                measurement=measurement,
                run_id=run_id,
            )
            for measurement in split_measurements(values, absent)
        ]

    def _keep(self, records: list[Record]) -> None:
        self._pass_point("before_spool")
        self._spool.add(records)
        self._list(records)

    def _keep_result(self, run_id: str, result: Record) -> None:
        self._pass_point("before_spool")
        self._spool.finish_run(run_id, result)
        self._list([result])

    def _keep_changed(self, facts: tuple[CollectedFact, ...], at: str) -> None:
        found = {(fact.source_kind, fact.subject, fact.key): fact.value for fact in facts}
        changed = {
            name: value for name, value in found.items() if self._spool.read_fact(name) != value
        }
        records = [
            build_fact(Source(kind, subject), at=at, key=key, value=value)
            for (kind, subject, key), value in changed.items()
        ]
        self._spool.add(records, changed)

    def _list(self, records: list[Record]) -> None:
        self._pass_point("after_spool")
        if self._ledger is not None:
            self._ledger.append(records)

    def _list_spooled(self) -> None:
        if self._ledger is not None:
            self._ledger.append(
                Record(waiting.kind, waiting.at, waiting.payload)
                for waiting in self._spool.list_all()
            )
