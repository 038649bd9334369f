"""Messages to the sockets of browsers and agents, sent beside the request that caused them.

A thread of its own does the sending: a slow, absent or silent Redis costs the caller nothing. What
does not fit the queue, or waits behind what Redis leaves unanswered, is dropped, because pages
refetch and agents poll.
"""

import asyncio
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from channels.layers import get_channel_layer
from redis import RedisError

logger = structlog.get_logger(__name__)

QUEUE_LENGTH = 10_000
RETRY_SECONDS = 2.0
# A half-open connection would be waited for without end. By then every socket that lives on this
# Redis is closed, because its echo stayed away, so no page that looks live misses what is dropped.
SENDING_SECONDS = 15.0


class Pusher:
    """Sends to channel-layer groups from any thread; one instance a process."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(QUEUE_LENGTH)
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def push(self, group: str, message: dict[str, Any]) -> None:
        """Queue `message` for everyone in `group`; returns at once."""
        self._ensure_thread()
        try:
            self._queue.put_nowait((group, message))
        except queue.Full:
            logger.debug("push_dropped", group=group)

    def _ensure_thread(self) -> None:
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="pusher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        layer = get_channel_layer()
        was_failing = False
        with asyncio.Runner() as runner:
            while True:
                group, message = self._queue.get()
                try:
                    runner.run(send(layer, group, message))
                    was_failing = False
                except TimeoutError:
                    logger.warning("push_unanswered", group=group, seconds=SENDING_SECONDS)
                    self._forget_waiting()
                except (OSError, RedisError) as error:
                    if not was_failing:
                        logger.warning("push_failed", group=group, reason=str(error))
                    was_failing = True
                    time.sleep(RETRY_SECONDS)
                except Exception:
                    # The edge of this thread, which must go on for the other messages.
                    logger.exception("push_failed", group=group)

    def _forget_waiting(self) -> None:
        """Pages that poll meanwhile know better than what waits."""
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()


async def send(layer: Any, group: str, message: dict[str, Any]) -> None:
    """Raises: OSError or RedisError, TimeoutError when Redis does not answer."""
    async with asyncio.timeout(SENDING_SECONDS):
        await layer.group_send(group, message)


PUSHER = Pusher()


def push(group: str, message: dict[str, Any]) -> None:
    PUSHER.push(group, message)
