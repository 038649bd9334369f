"""Asking a worker to do periodic work right now, beside the request that gives the reason.

A thread of its own talks to the broker: an absent Redis costs the caller nothing, and the work is
found by its next period. Many reasons within a second make one call, the last of them included.
"""

import contextvars
import threading
import time
from collections.abc import Callable

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

logger = structlog.get_logger(__name__)

LEAST_SECONDS_BETWEEN = 1.0
RETRY_SECONDS = 2.0


# Each process keeps a connection, which Redis has forgotten when it comes back from a restart: the
# first call would be lost with it.
ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}

# A task's name and its arguments.
Call = tuple[str, ...]


def send_call(task: str, *arguments: str) -> None:
    """Queue the task once; a call that no worker takes within its period is dropped."""
    current_app.send_task(
        task, arguments, retry_policy=ONCE_MORE, expires=LEAST_SECONDS_BETWEEN * 5
    )


class Waker:
    """Merges calls of the same task and arguments; one instance a process."""

    def __init__(
        self,
        send: Callable[..., None] = send_call,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send = send
        self._clock = clock
        self._sleep = sleep
        # In the order asked for; the context carries the id of the asking request.
        self._waiting: dict[Call, contextvars.Context] = {}
        self._sent_at: dict[Call, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, task: str, *arguments: str) -> None:
        """Have the task queued soon; returns at once."""
        with self._changed:
            self._waiting[task, *arguments] = contextvars.copy_context()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                call = next(iter(self._waiting))
            self.send_next(call)

    def send_next(self, call: Call) -> None:
        """Queue one waiting call, not sooner than a second after the last one like it."""
        due = self._sent_at.get(call, float("-inf")) + LEAST_SECONDS_BETWEEN
        self._sleep(max(0.0, due - self._clock()))
        with self._changed:
            context = self._waiting.pop(call)
        try:
            context.run(self._send, *call)
            self._sent_at[call] = self._clock()
        except (OperationalError, OSError) as error:
            # Its period finds the work as well, so it is not kept.
            logger.warning("wake_up_failed", task=call[0], reason=str(error))
            self._sleep(RETRY_SECONDS)
        except Exception:
            # The edge of this thread, which must go on for the other tasks.
            logger.exception("wake_up_failed", task=call[0])


WAKER = Waker()


def wake_worker(task: str, *arguments: str) -> None:
    WAKER.wake(task, *arguments)
