"""Calls of people and programs on their way to threads: bounded in number and in waiting."""

import asyncio
import functools
import json
from http import HTTPStatus
from typing import Any

import structlog

from apps.core.errors import Unavailable
from apps.core.http import describe_error, render_error_page
from streamswarm.door import BODY_SECONDS, Message, Receive, Send, send_refusal
from streamswarm.silence import Silence

logger = structlog.get_logger(__name__)

CALLS_PER_THREAD = 16
# Nobody looks at a page that long; what takes longer is made by a worker.
ANSWER_SECONDS = 60.0
# Before it is asked whether the database is the reason.
PATIENCE_SECONDS = 3.0
# Nobody who takes nothing of an answer for so long keeps a thread.
STALLED_SECONDS = 60.0
# An answer that takes longer to send is one during which callers leave.
LONG_ANSWER_SECONDS = 1.0
# By that name the application finds its caller in the scope.
CALLER = "streamswarm.caller"
PAGE_TYPE = b"text/html; charset=utf-8"
HEALTH, READINESS, STATIC = "/healthz", "/readyz", "/static/"
NOT_READY = json.dumps({"status": "not ready", "checks": {"database": "silent"}}).encode()
OVERLOADED = ("overloaded", "Too many calls at once. Try again in a few seconds.")
STUCK = ("stuck", "The server could not answer in time. Try again in a few seconds.")
SILENT = (
    "database_silent",
    "The database does not answer. Agents go on measuring and keep it; try again in some seconds.",
)


class Waiting:
    """One call: whether its answer has begun, and whether its caller is being waited for.

    `is_gone` is for the thread that makes a long answer: the rest of it is nobody's.
    """

    def __init__(self, receive: Receive, send: Send, *, stalled_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._stalled_seconds = stalled_seconds
        self._is_given_up = False
        self._begun = asyncio.Event()
        self.is_reading = False
        self.is_gone = False

    async def receive(self) -> Message:
        """The next piece; a caller who says nothing for 30 s counts as gone."""
        self.is_reading = True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        finally:
            self.is_reading = False

    async def send(self, message: Message) -> None:
        if self._is_given_up or self.is_gone:
            return
        self._begun.set()
        try:
            async with asyncio.timeout(self._stalled_seconds):
                await self._send(message)
        except TimeoutError:
            # The server ends the connection of an answer that was never finished.
            self.is_gone = True

    async def notice_leaving(self) -> None:
        """Returns when the caller has left; only for calls without a body, which nobody reads."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.is_gone = True

    async def has_begun(self, answering: asyncio.Task[None], seconds: float) -> bool:
        """Whether the answer, or its failure, began within that time."""
        beginning = asyncio.create_task(self._begun.wait())
        await asyncio.wait(
            {beginning, answering}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        beginning.cancel()
        return self._begun.is_set() or answering.done()

    def give_up(self) -> Send:
        """What the thread still says is nobody's any more; who called is told something else."""
        self._is_given_up = True
        return self._send


class BoundedSite:
    """An ASGI application for people and programs.

    What comes beyond a bound on calls at a time is told to come back instead of waiting for a
    thread without end. A body that does not arrive in 30 s ends there, so that nobody keeps a
    thread by being slow. While the database is silent nobody waits for it longer than some seconds:
    its place stays taken until its thread is free, and who comes then is told at once.
    `status` answers the questions about this process, from threads that nothing else can take.
    """

    stalled_seconds = STALLED_SECONDS

    def __init__(self, application: Any, *, status: Any, threads: int, silence: Silence) -> None:
        self._application = application
        self._status = status
        self._most_calls = threads * CALLS_PER_THREAD
        self._silence = silence
        self._calls = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == HEALTH:
            await self._status(scope, receive, send)
        elif path == READINESS and await self._silence.ask():
            await send_refusal(send, HTTPStatus.SERVICE_UNAVAILABLE, NOT_READY)
        elif path == READINESS:
            await self._status(scope, receive, send)
        elif self._calls >= self._most_calls:
            await refuse(send, path, OVERLOADED)
        elif self._silence.is_known and not path.startswith(STATIC):
            await refuse(send, path, SILENT)
        else:
            waiting = Waiting(receive, send, stalled_seconds=self.stalled_seconds)
            await self._pass_on({**scope, CALLER: waiting}, waiting)

    async def _pass_on(self, scope: Message, waiting: Waiting) -> None:
        self._calls += 1
        answering = asyncio.create_task(self._application(scope, waiting.receive, waiting.send))
        answering.add_done_callback(self._free_place)
        left_seconds = ANSWER_SECONDS
        while not await waiting.has_begun(answering, PATIENCE_SECONDS):
            if waiting.is_reading:
                continue
            left_seconds -= PATIENCE_SECONDS
            reason = SILENT if await self._silence.ask() else STUCK if left_seconds <= 0 else None
            if reason is not None and not await waiting.has_begun(answering, 0):
                answering.add_done_callback(note_late_fault)
                await refuse(waiting.give_up(), scope["path"], reason)
                return
        await see_through(scope, waiting, answering)

    def _free_place(self, _answering: asyncio.Task[None]) -> None:
        self._calls -= 1


async def see_through(scope: Message, waiting: Waiting, answering: asyncio.Task[None]) -> None:
    """Waits for the end of the answer, and tells a long one when its caller leaves."""
    await asyncio.wait({answering}, timeout=LONG_ANSWER_SECONDS)
    if answering.done() or scope["method"] != "GET":
        await answering
        return
    leaving = asyncio.create_task(waiting.notice_leaving())
    try:
        await answering
    finally:
        leaving.cancel()


def note_late_fault(answering: asyncio.Task[None]) -> None:
    if not answering.cancelled() and (error := answering.exception()) is not None:
        logger.error("late_answer_failed", exc_info=error)


async def refuse(send: Send, path: str, reason: tuple[str, str]) -> None:
    """Tells a program by JSON and people by a page; neither needs the database."""
    if path.startswith("/api/"):
        document = describe_error(Unavailable(*reason, retry_after_seconds=0))
        await send_refusal(send, HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(document).encode())
    else:
        page = build_page(reason)
        await send_refusal(send, HTTPStatus.SERVICE_UNAVAILABLE, page, content_type=PAGE_TYPE)


@functools.cache
def build_page(reason: tuple[str, str]) -> bytes:
    error = Unavailable(*reason, retry_after_seconds=0)
    page: bytes = render_error_page(None, error, "").content
    return page
