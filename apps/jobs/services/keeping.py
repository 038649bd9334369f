"""What goes on beside an attempt: its claim is renewed, its progress stored, its time watched."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
from django.db import InterfaceError, OperationalError, connection

from apps.core.bus import publish
from apps.jobs.errors import JobTimedOut
from apps.jobs.published import ClaimRenewed
from apps.jobs.registry import JobKind
from apps.jobs.runs import JobRun
from apps.jobs.services.claims import Claim, renew_claim

logger = structlog.get_logger(__name__)

STEP_SECONDS = 1.0
# A claim may miss two renewals before another worker takes the job.
RENEWALS_IN_A_LEASE = 3
# A handler that its time limit cannot interrupt has so long to come back by itself.
GRACE_SECONDS = 30.0


def end_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class ClaimKeeper:
    """Renews one claim from a thread of its own, with a database session of its own.

    It stops when the time is over for good, and ends the process: work that hangs must not hold
    its claim, and the worker, for ever.
    """

    def __init__(
        self, run: JobRun, claim: Claim, kind: JobKind, end: Callable[[], None] = end_process
    ) -> None:
        self._run = run
        self._claim = claim
        self._lease_seconds = kind.lease_seconds
        self._end = end
        self._is_over = threading.Event()
        self._stored = (run.progress, run.note)
        self._renewed = time.monotonic()
        self._deadline = self._renewed + kind.time_limit_seconds + GRACE_SECONDS
        self._thread = threading.Thread(target=self._keep, name="claim keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        # A session that hangs must not keep the worker from storing the outcome.
        self._thread.join(self._lease_seconds)

    def _keep(self) -> None:
        pause = min(STEP_SECONDS, self._lease_seconds / RENEWALS_IN_A_LEASE)
        try:
            while not self._is_over.wait(pause) and not self._run.is_lost:
                self.step()
        except Exception:
            # The edge of this thread; without renewals the claim runs out, which is safe.
            logger.exception("claim_keeper_failed")
        finally:
            connection.close()

    def step(self) -> None:
        now = time.monotonic()
        if now > self._deadline:
            logger.error("job_hangs", kind=self._claim.job.kind)
            self._end()
            return
        told = (self._run.progress, self._run.note)
        is_due = now - self._renewed >= self._lease_seconds / RENEWALS_IN_A_LEASE
        if not is_due and told == self._stored:
            return
        try:
            is_held = renew_claim(
                self._claim, lease_seconds=self._lease_seconds, progress=told[0], note=told[1]
            )
        except (OperationalError, InterfaceError) as error:
            logger.warning("claim_not_renewed", reason=str(error))
            connection.close()
            return
        self._renewed, self._stored = now, told
        self._run.is_lost = not is_held
        publish(ClaimRenewed(self._claim.job.id))


@contextmanager
def keep_claim(run: JobRun, claim: Claim, kind: JobKind) -> Iterator[None]:
    """The claim stays ours while the block runs."""
    keeper = ClaimKeeper(run, claim, kind)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


@contextmanager
def limit_time(limit_seconds: float) -> Iterator[None]:
    """Interrupts the block after that time, in the main thread, where workers run their tasks.

    Raises: JobTimedOut.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise JobTimedOut(limit_seconds)

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, limit_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
