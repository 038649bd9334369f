"""The one thread that touches the spool, so that the event loop never waits for a disk."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class SpoolThread:
    """Calls functions one after the other, in the order in which they were asked for.

    A call that has begun is finished even when its caller is cancelled.
    """

    def __init__(self, on_damage: Callable[[], None]) -> None:
        """`on_damage` is called, in the thread, when the database proves to be damaged."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")
        self._on_damage = on_damage

    async def call(
        self,
        function: Callable[Parameters, Answer],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        return await asyncio.shield(
            loop.run_in_executor(self._executor, lambda: self._guard(function, *args, **kwargs))
        )

    def close(self) -> None:
        """Finish what was asked for and end the thread."""
        self._executor.shutdown(wait=True)

    def _guard(
        self,
        function: Callable[Parameters, Answer],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Answer:
        try:
            return function(*args, **kwargs)
        except sqlite3.DatabaseError:
            logger.exception("spool_damaged")
            self._on_damage()
            raise
