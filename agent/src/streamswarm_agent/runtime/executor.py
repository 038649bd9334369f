"""Executes runs: one task each, every one closed by exactly one result."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Probe, ProbeRequest, Sample
from streamswarm_agent.runtime.clock import ServerTime
from streamswarm_agent.runtime.crash import PassPoint, pass_unharmed
from streamswarm_agent.runtime.pairing import Pairing
from streamswarm_agent.runtime.planner import PlannedRun
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.wire.kinds import complete_parameters
from streamswarm_agent.wire.messages import INITIATOR
from streamswarm_agent.wire.results import Finding, StartedRun
from streamswarm_agent.wire.times import format_time

logger = logging.getLogger(__name__)

_WATCHDOG_SECONDS = 60.0
_HANDOVER_SECONDS = 0.1  # runs back to back touch for a moment, which is no overlap


@dataclass(eq=False, slots=True)
class ActiveRun:
    """A run under way: its times on the server's clock, and what happens beside and to it."""

    planned: PlannedRun
    started_at: float
    neighbours: set[str] = field(default_factory=set)
    measuring: asyncio.Task[Finding] | None = None
    stopped: Finding | None = None

    @property
    def busy_from(self) -> float:
        """When it begins to disturb others: an answering end is there before there is traffic."""
        return max(self.started_at, self.planned.run.start_ms / 1000 if self.is_answered else 0.0)

    @property
    def is_answered(self) -> bool:
        return self.planned.is_answered

    @property
    def ends_at(self) -> float:
        return self.busy_from + self.planned.run.duration_seconds

    def overlaps(self, other: "ActiveRun") -> bool:
        shared_seconds = min(self.ends_at, other.ends_at) - max(self.busy_from, other.busy_from)
        return shared_seconds > _HANDOVER_SECONDS


class RunExecutor:
    """Starts, watches and stops the runs of one agent."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        recorder: Recorder,
        server_time: ServerTime,
        *,
        pairing: Pairing | None = None,
        watchdog_seconds: float = _WATCHDOG_SECONDS,
        pass_point: PassPoint = pass_unharmed,
    ) -> None:
        """Without `pairing` the agent takes no part in runs that need two."""
        self._probes = probes
        self._pairing = pairing
        self._recorder = recorder
        self._server_time = server_time
        self._watchdog_seconds = watchdog_seconds
        self._pass_point = pass_point
        self._active: dict[str, ActiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> dict[str, PlannedRun]:
        """The runs under way, by id."""
        return {run_id: active.planned for run_id, active in self._active.items()}

    def start(self, planned: PlannedRun) -> None:
        """Begin a run at once."""
        run_id = planned.run.id
        active = ActiveRun(planned, self._server_time.now())
        for neighbour_id, neighbour in self._active.items():
            if neighbour.overlaps(active):
                neighbour.neighbours.add(run_id)
                active.neighbours.add(neighbour_id)
        self._active[run_id] = active
        execute = self._answer if active.is_answered else self._execute
        task = asyncio.create_task(execute(active), name=f"run {run_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, run_id: str, reason: str) -> None:
        """Stop a run if it is under way; its result says `cancelled`."""
        self._stop(run_id, Finding("cancelled", reason))

    async def abort_all(self, reason: str) -> None:
        """Stop every run; their results say `aborted` and are spooled when this returns."""
        for run_id in self._active:
            self._stop(run_id, Finding("aborted", reason))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop(self, run_id: str, finding: Finding) -> None:
        active = self._active.get(run_id)
        if active is not None and active.stopped is None:
            active.stopped = finding
            if active.measuring is not None:
                active.measuring.cancel()

    async def _execute(self, active: ActiveRun) -> None:
        run, assignment = active.planned.run, active.planned.assignment
        started = StartedRun(
            run=run.id,
            assignment=assignment.id,
            slot=run.slot,
            revision=assignment.schedule.revision,
            started_at=format_time(active.started_at),
        )
        logger.info("run_started run=%s kind=%s", run.id, assignment.kind)
        latest_start_ms = active.planned.latest_start_ms
        await self._recorder.begin_run(started, latest_start_ms=latest_start_ms)
        finding = await self._measure_until_stopped(active)
        del self._active[run.id]
        own_values = {
            "agent.run.late": max(0.0, active.started_at - run.start_ms / 1000),
            "agent.run.overlap.count": float(len(active.neighbours)),
        }
        finding = replace(finding, values={**finding.values, **own_values})
        await self._recorder.finish_run(started, finding)
        logger.info("run_ended run=%s outcome=%s %s", run.id, finding.outcome, finding.reason)

    async def _answer(self, active: ActiveRun) -> None:
        """The other end of a run has its result; here it is only logged how it went."""
        run_id = active.planned.run.id
        logger.info("run_answered run=%s kind=%s", run_id, active.planned.assignment.kind)
        finding = await self._measure_until_stopped(active)
        del self._active[run_id]
        logger.info("run_left run=%s outcome=%s %s", run_id, finding.outcome, finding.reason)

    async def _measure_until_stopped(self, active: ActiveRun) -> Finding:
        """The run is measured in a task of its own, so that stopping it cannot stop its result."""
        if active.stopped is None:
            active.measuring = asyncio.create_task(self._measure(active.planned))
            await asyncio.wait({active.measuring})
            if not active.measuring.cancelled():
                return active.measuring.result()
        return active.stopped or Finding("aborted", "agent stopped")

    async def _measure(self, planned: PlannedRun) -> Finding:
        seconds = planned.run.duration_seconds
        if planned.is_answered:
            seconds = max(0.0, planned.latest_start_ms / 1000 - self._server_time.now())
        watchdog = asyncio.timeout(seconds + self._watchdog_seconds)
        try:
            async with watchdog:
                if planned.is_answered:
                    await self._require_pairing().answer(planned, seconds)
                    return Finding("completed")
                return await self._run_probe(planned)
        except ProbeFailed as failure:
            return Finding("failed", str(failure))
        except Exception:
            if watchdog.expired():
                return Finding("failed", f"the run outlasted its end by {self._watchdog_seconds} s")
            logger.exception("probe_broke run=%s", planned.run.id)
            return Finding("failed", "the probe broke; the agent's log says where")

    def _require_pairing(self) -> Pairing:
        if self._pairing is None:
            raise ProbeFailed("this agent takes no part in runs that need two")
        return self._pairing

    async def _run_probe(self, planned: PlannedRun) -> Finding:
        run, assignment = planned.run, planned.assignment
        probe = self._probes.get(assignment.kind)
        if probe is None:
            raise ProbeFailed(f"this agent has no probe for {assignment.kind!r}")

        async def emit(sample: Sample) -> None:
            await self._recorder.record_sample(assignment.id, run.id, sample)
            self._pass_point("mid_probe")

        peer = None
        if assignment.role == INITIATOR:
            peer = await self._require_pairing().find_peer(planned)
        request = ProbeRequest(
            target=assignment.target,
            parameters=complete_parameters(assignment.kind, assignment.parameters),
            duration_seconds=run.duration_seconds,
            sample_interval_seconds=assignment.sample_interval_seconds,
            peer=peer,
        )
        outcome = await probe.run(request, emit)
        return Finding(
            "completed",
            reason=outcome.reason,
            is_success=outcome.is_success,
            method=outcome.method,
            values=outcome.values,
            absent=outcome.absent,
            facts=outcome.facts,
            document=outcome.document,
        )
