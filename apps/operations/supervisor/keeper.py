"""The life of one child: started, watched, restarted with back-off, stopped."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from apps.operations.supervisor.backoff import BackoffPolicy
from apps.operations.supervisor.child import (
    Child,
    build_launch_argv,
    describe_exit,
    signal_group,
)
from apps.operations.supervisor.errors import NotReadyError
from apps.operations.supervisor.log import Report, report_lines
from apps.operations.supervisor.status import ChildState, ChildStatus
from apps.operations.supervisor.watch import Watch

GATE_INTERVAL_SECONDS = 0.1
LAST_OUTPUT_SECONDS = 1.0


class Keeper:
    def __init__(
        self,
        child: Child,
        *,
        report: Report,
        on_change: Callable[[], None],
        policy: BackoffPolicy,
    ) -> None:
        self.child = child
        self.status = ChildStatus(name=child.name, state=ChildState.STARTING)
        self._report = report
        self._on_change = on_change
        self._policy = policy
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | asyncio.Task[str] | None = None

    async def start(self) -> None:
        """Returns when the child's gate is open.

        Raises: NotReadyError when it stays shut for the child's time.
        """
        self._task = asyncio.create_task(self._keep_running(), name=self.child.name)
        is_ready = self.child.is_ready
        if is_ready is not None:
            try:
                async with asyncio.timeout(self.child.ready_timeout_seconds):
                    while not await is_ready():  # noqa: ASYNC110 - another process sets no event
                        await asyncio.sleep(GATE_INTERVAL_SECONDS)
            except TimeoutError:
                raise NotReadyError(self._describe_delay()) from None

    async def run_once(self) -> str:
        """Runs the child to its end, without a restart, and says how it ended."""
        task = asyncio.create_task(self._run_once(Watch(self.child)), name=self.child.name)
        self._task = task
        # Who waits may be cancelled; the child is then stopped with all the others.
        return await asyncio.shield(task)

    def ask_to_stop(self) -> None:
        """Ends restarting and asks the child itself; what it started is its own to stop."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        elif self._task is not None:
            self._task.cancel()

    def kill(self) -> None:
        self._stopping.set()
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    async def wait_stopped(self, timeout_seconds: float) -> bool:
        """Whether the child is gone within the time."""
        if self._task is None:
            return True
        done, _ = await asyncio.wait([self._task], timeout=timeout_seconds)
        return bool(done)

    async def _keep_running(self) -> None:
        delay_seconds: float | None = None
        try:
            while not self._stopping.is_set():
                started = time.monotonic()
                watch = Watch(self.child)
                outcome = await self._run_once(watch)
                ran_seconds = time.monotonic() - started
                if self._stopping.is_set():
                    break
                delay_seconds = self._policy.next_delay_seconds(
                    delay_seconds, well_seconds=watch.read_well_seconds()
                )
                await self._wait_before_restart(outcome, ran_seconds, delay_seconds)
        finally:
            self._show(replace(self.status, state=ChildState.STOPPED, process_id=None))

    async def _run_once(self, watch: Watch) -> str:
        """How the child ended, in words."""
        read_end, write_end = os.pipe()
        reading = asyncio.create_task(report_lines(read_end, self.child.name, self._report))
        input_end = open_input(self.child.standard_input)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *build_launch_argv(self.child),
                cwd=self.child.folder,
                env=dict(self.child.environment),
                stdin=input_end,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        finally:
            os.close(write_end)
            os.close(input_end)
        process = self._process
        self._show(
            replace(
                self.status,
                state=ChildState.RUNNING,
                process_id=process.pid,
                started_at=time.time(),
            )
        )
        watching = asyncio.create_task(self._kill_when_hung(process, watch))
        try:
            outcome = describe_exit(await process.wait())
        finally:
            watching.cancel()
        # What it started must not outlive it: the next one would meet its sockets and locks.
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait([reading], timeout=LAST_OUTPUT_SECONDS)
        reading.cancel()
        self._show(
            replace(self.status, process_id=None, last_exit=outcome, last_exit_at=time.time())
        )
        return outcome

    async def _kill_when_hung(self, process: asyncio.subprocess.Process, watch: Watch) -> None:
        await watch.wait_until_hung()
        self._report("swarm", f"{self.child.name} lives but does not work, and is killed")
        signal_group(process.pid, signal.SIGKILL)

    async def _wait_before_restart(
        self, outcome: str, ran_seconds: float, delay_seconds: float
    ) -> None:
        restart_count = self.status.restart_count + 1
        self._report(
            "swarm",
            f"{self.child.name} ended ({outcome}) after {ran_seconds:.1f} s; "
            f"restart {restart_count} in {delay_seconds:g} s",
        )
        self._show(replace(self.status, state=ChildState.WAITING))
        await asyncio.sleep(delay_seconds)
        self._show(replace(self.status, state=ChildState.STARTING, restart_count=restart_count))

    def _show(self, status: ChildStatus) -> None:
        self.status = status
        self._on_change()

    def _describe_delay(self) -> str:
        last = f"; its last end was {self.status.last_exit}" if self.status.last_exit else ""
        return (
            f"{self.child.name} was not ready after {self.child.ready_timeout_seconds:g} s{last}. "
            "Its lines in the log above say why."
        )


def open_input(text: str) -> int:
    """A descriptor from which a child reads the text and then the end of its input."""
    if not text:
        return os.open(os.devnull, os.O_RDONLY)
    read_end, write_end = os.pipe()
    # A pipe takes a page without a reader; what is handed over is one short line.
    os.write(write_end, text.encode())
    os.close(write_end)
    return read_end
