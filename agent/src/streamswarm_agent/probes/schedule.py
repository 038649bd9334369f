"""Attempts on an absolute schedule, reported interval by interval."""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, NamedTuple, TypeVar

from streamswarm_agent.probes.base import Clock, ProbeRequest

Result = TypeVar("Result")
CATCH_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Course(Generic[Result]):
    """What a run's attempts came to, in the order they began.

    `errors_seconds` is the actual minus the planned start of each attempt.
    """

    results: Sequence[Result]
    errors_seconds: Sequence[float]


class _Attempt(NamedTuple, Generic[Result]):
    offset_seconds: float
    future: asyncio.Future[Result]


class AttemptSchedule(Generic[Result]):
    """Begins attempt k at start + k * interval, however long attempts take: no drift.

    `offsets_seconds`, rising and measured from the start, take the place of k * interval if given;
    the run is over when they are. `begin` starts an attempt, which ends by itself at its time-out.
    An attempt belongs to the sample interval in which it began. An interval is reported once all
    its attempts have ended; one without attempts is not reported. Slots missed by more than a
    second (the host slept) are skipped, not made up for in a burst.
    """

    def __init__(
        self,
        clock: Clock,
        request: ProbeRequest,
        begin: Callable[[], Awaitable[Result]],
        report: Callable[[Sequence[Result]], Awaitable[None]],
        *,
        offsets_seconds: Iterable[float] | None = None,
    ) -> None:
        self._clock = clock
        self._duration_seconds = request.duration_seconds
        self._sample_seconds = request.sample_interval_seconds
        self._interval_seconds = float(request.parameters["interval_seconds"])
        self._offsets_seconds = self._list_slots() if offsets_seconds is None else offsets_seconds
        self._begin = begin
        self._report = report
        self._start = 0.0
        self._waiting: deque[_Attempt[Result]] = deque()
        self._results: list[Result] = []
        self._errors_seconds: list[float] = []

    async def run(self) -> Course[Result]:
        """All attempts of the run; takes its duration and until the last attempt ends.

        The first exception of an attempt or of `report` ends the run and is raised here.
        """
        self._start = self._clock.monotonic()
        tasks = [
            asyncio.create_task(self._begin_attempts()),
            asyncio.create_task(self._report_intervals()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await _cancel([*tasks, *(attempt.future for attempt in self._waiting)])
        return Course(self._results, self._errors_seconds)

    async def _begin_attempts(self) -> None:
        skipped_until = -1.0
        for planned in self._offsets_seconds:
            if planned >= self._duration_seconds:
                break
            if planned <= skipped_until:
                continue
            await self._wait_until(planned)
            offset = max(self._clock.monotonic() - self._start, planned)
            if offset >= self._duration_seconds:
                break
            if offset - planned > max(CATCH_UP_SECONDS, self._interval_seconds):
                skipped_until = offset
                continue
            self._waiting.append(_Attempt(offset, asyncio.ensure_future(self._begin())))
            self._errors_seconds.append(offset - planned)

    def _list_slots(self) -> Iterator[float]:
        return (slot * self._interval_seconds for slot in itertools.count())

    async def _report_intervals(self) -> None:
        for end in self._interval_ends():
            await self._wait_until(end)
            attempts = [attempt for attempt in self._waiting if attempt.offset_seconds < end]
            if not attempts:
                continue
            pending = [attempt.future for attempt in attempts if not attempt.future.done()]
            if pending:
                await asyncio.wait(pending)
            results = [self._waiting.popleft().future.result() for _ in attempts]
            self._results += results
            await self._report(results)

    def _interval_ends(self) -> Iterator[float]:
        count = ceil(self._duration_seconds / self._sample_seconds - 1e-9)
        yield from (number * self._sample_seconds for number in range(1, count))
        yield self._duration_seconds

    async def _wait_until(self, offset_seconds: float) -> None:
        while (left := self._start + offset_seconds - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)


async def _cancel(futures: Sequence[asyncio.Future[Any]]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
