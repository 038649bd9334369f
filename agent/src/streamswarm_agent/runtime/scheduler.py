"""Starts runs when their time has come."""

import asyncio
import logging
from collections.abc import Mapping

from streamswarm_agent.runtime.clock import ServerTime, wait_for_event
from streamswarm_agent.runtime.executor import RunExecutor
from streamswarm_agent.runtime.planner import plan_runs
from streamswarm_agent.wire.messages import Lease

logger = logging.getLogger(__name__)

_LOOK_AHEAD_MS = 5_000
_FORGET_STARTED_MS = 24 * 3_600_000


class Scheduler:
    """Holds the last lease and starts its runs, each once."""

    def __init__(
        self,
        executor: RunExecutor,
        server_time: ServerTime,
        *,
        started: Mapping[str, int] | None = None,
    ) -> None:
        """`started`: the runs an earlier process has begun, which must not begin again.

        Each has its latest start in milliseconds, after which it need not be remembered.
        """
        self._executor = executor
        self._server_time = server_time
        self._lease: Lease | None = None
        self._changed = asyncio.Event()
        self._latest_start_ms = dict(started or {})

    def accept(self, lease: Lease) -> None:
        """Follow this lease from now on, stopping what it cancels or no longer lists."""
        self._lease = lease
        for run_id, planned in self._executor.running.items():
            if run_id in lease.cancelled:
                self._executor.cancel(run_id, "cancelled on the server")
            elif planned.assignment.id not in lease.assignments:
                self._executor.cancel(run_id, "the test was paused or withdrawn")
        self._changed.set()

    async def run(self) -> None:
        """Start runs on time, for ever."""
        while True:
            wait_seconds = self.start_due_runs()
            await wait_for_event(self._changed, self._server_time.clock, wait_seconds)

    def start_due_runs(self) -> float:
        """Start what is due and return the seconds until the next look, at most 5."""
        now_ms = self._server_time.now_ms()
        self._forget_old(now_ms)
        until_ms = now_ms + _LOOK_AHEAD_MS
        next_ms = until_ms
        lease = self._lease
        for planned in plan_runs(lease, now_ms=now_ms, until_ms=until_ms) if lease else ():
            run = planned.run
            if run.id in self._latest_start_ms:
                continue
            if planned.begin_ms > now_ms:
                next_ms = planned.begin_ms
                break
            self._latest_start_ms[run.id] = planned.latest_start_ms
            self._executor.start(planned)
        return max(0.001, next_ms / 1000 - self._server_time.now())

    def _forget_old(self, now_ms: int) -> None:
        limit_ms = now_ms - _FORGET_STARTED_MS
        for run_id, latest_start_ms in list(self._latest_start_ms.items()):
            if latest_start_ms < limit_ms:
                del self._latest_start_ms[run_id]
