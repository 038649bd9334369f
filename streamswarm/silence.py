"""Whether the database has fallen silent: then a host hangs, and whoever asks it waits without end.

While its kernel still acknowledges what arrives, neither keep-alives nor timeouts of the connection
end such a wait, and limits of the database itself do not count, because it hangs.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.db import DatabaseError, InterfaceError, connection

logger = structlog.get_logger(__name__)

SILENT_SECONDS = 3.0


def ask_database() -> None:
    """Returns when the database answered, be it by an error."""
    try:
        connection.close_if_unusable_or_obsolete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        connection.close()


class Silence:
    """One question at a time, from a thread with a session of its own; used by one event loop.

    A question that is not answered in 3 s stays open, and as long as it does the database is
    silent: its answer, or the end of its connection, is how the end of the silence is noticed.
    """

    def __init__(self, ask: Callable[[], None] = ask_database) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="silence")
        self._question: asyncio.Future[None] | None = None
        self._is_known = False

    @property
    def is_known(self) -> bool:
        """Whether the last one who asked found it silent, and it still is."""
        return self._is_known

    async def ask(self) -> bool:
        """Whether the database leaves a question unanswered, be it this one or an earlier one."""
        if self._question is None:
            loop = asyncio.get_running_loop()
            self._question = loop.run_in_executor(self._thread, self._ask)
            self._question.add_done_callback(self._note_answer)
        if not self._is_known:
            _, unanswered = await asyncio.wait({self._question}, timeout=SILENT_SECONDS)
            if unanswered and not self._is_known:
                self._is_known = True
                logger.error("database_silent", seconds=SILENT_SECONDS)
        return self._is_known

    def _note_answer(self, question: asyncio.Future[None]) -> None:
        self._question = None
        if self._is_known:
            self._is_known = False
            logger.warning("database_answers_again")
        if not question.cancelled() and (error := question.exception()) is not None:
            logger.error("database_not_asked", exc_info=error)
