"""The pulse of a worker: a no-op that it sends itself through the broker, again and again.

A worker can lose its place in the queue without noticing it (a half-open connection, a reconnect
that went wrong); its process then lives and does nothing. Its no-ops do not come back, its mark
grows old, and whoever watches the mark kills it. While the worker is at a task it cannot take a
no-op: the process at the task leaves the mark itself, for a bounded time.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import current_app
from celery.signals import task_postrun, task_prerun, worker_ready
from celery.utils.nodenames import worker_direct
from django.conf import settings
from kombu.exceptions import OperationalError

from apps.core.bus import subscribe
from apps.core.wakeups import ONCE_MORE
from apps.jobs.published import ClaimRenewed
from apps.operations.liveness import leave_mark

logger = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
EXPIRES_SECONDS = 30.0
BUSY_STEP_SECONDS = 5.0
# Longer than any task that is no job; jobs have limits of their own and say when they go on.
LONGEST_TASK_SECONDS = 600.0
NO_OP = "apps.operations.tasks.note_pulse"


def send_no_op(worker_name: str) -> None:
    """Queue a no-op for this worker alone."""
    current_app.send_task(
        NO_OP,
        [worker_name],
        queue=worker_direct(worker_name),
        retry_policy=ONCE_MORE,
        expires=EXPIRES_SECONDS,
    )


def send_for_ever(worker_name: str) -> None:
    pause = threading.Event()
    while True:
        try:
            send_no_op(worker_name)
        except (OperationalError, OSError) as error:
            logger.warning("pulse_not_sent", reason=str(error))
        except Exception:
            # The edge of this thread: without it a sound worker would be taken for a dead one.
            logger.exception("pulse_not_sent")
        pause.wait(EVERY_SECONDS)


class TaskPulse:
    """Leaves the mark while a task of this process runs, until it has run for too long."""

    def __init__(
        self,
        mark: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mark = mark
        self._clock = clock
        self._worker_name = ""
        self._begun: float | None = None
        self._thread: threading.Thread | None = None

    def begin(self, worker_name: str) -> None:
        self._worker_name, self._begun = worker_name, self._clock()
        # A pool's processes are forks, and a thread does not survive a fork.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="task pulse", daemon=True)
            self._thread.start()

    def extend(self) -> None:
        """The task at hand has shown that it goes on."""
        if self._begun is not None:
            self._begun = self._clock()

    def end(self) -> None:
        self._begun = None

    def step(self) -> None:
        begun = self._begun
        if begun is not None and self._clock() - begun < LONGEST_TASK_SECONDS:
            self._mark(self._worker_name)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(BUSY_STEP_SECONDS)
            try:
                self.step()
            except OSError as error:
                logger.warning("pulse_not_marked", reason=str(error))


TASK_PULSE = TaskPulse(lambda name: leave_mark(settings.VAR_DIR, name))


def start_sending(sender: Any, **_more: object) -> None:
    name = str(sender.hostname)
    leave_mark(settings.VAR_DIR, name)
    threading.Thread(target=send_for_ever, args=[name], name="pulse", daemon=True).start()


def begin_task(task: Any, **_more: object) -> None:
    # A task that is called without a worker has none.
    if task.request.hostname:
        TASK_PULSE.begin(str(task.request.hostname))


def end_task(**_more: object) -> None:
    TASK_PULSE.end()


def extend_task(_event: ClaimRenewed) -> None:
    TASK_PULSE.extend()


def connect_receivers() -> None:
    worker_ready.connect(start_sending, weak=False)
    task_prerun.connect(begin_task, weak=False)
    task_postrun.connect(end_task, weak=False)
    subscribe(ClaimRenewed, extend_task)
