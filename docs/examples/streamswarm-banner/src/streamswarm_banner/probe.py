"""The `banner` probe; loaded by agents."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver, Sample
from streamswarm_agent.probes.schedule import AttemptSchedule
from streamswarm_agent.probes.targets import parse_host
from streamswarm_banner.contract import AVAILABILITY, GREETING


class BannerProbe:
    """Connects each interval, waits for the first byte, hangs up.

    A server that takes the connection and says nothing until the time-out was not available.
    `is_success`: at least one greeting. Times in seconds of the agent's monotonic clock.
    """

    kind: ClassVar[str] = "banner"

    def __init__(self, clock: Clock, resolver: Resolver) -> None:
        self._clock = clock
        self._resolver = resolver

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Connect for the run's duration; see the class. Raises: ProbeFailed."""
        address = await self._resolver.resolve(parse_host(request.target))
        port = int(request.parameters["port"])
        timeout_seconds = float(request.parameters["timeout_seconds"])

        async def attempt() -> float | None:
            began = self._clock.monotonic()
            is_greeted = await wait_for_greeting(address, port, timeout_seconds)
            return self._clock.monotonic() - began if is_greeted else None

        async def report(waits: Sequence[float | None]) -> None:
            await emit(summarise(waits))

        course = await AttemptSchedule(self._clock, request, attempt, report).run()
        summary = summarise(course.results)
        greeted = sum(wait is not None for wait in course.results)
        reason = "" if greeted else "nobody greeted"
        return Outcome(greeted > 0, "tcp", summary.values, summary.absent, reason=reason)


async def wait_for_greeting(address: str, port: int, timeout_seconds: float) -> bool:
    """Whether the server sent anything before it closed or the time was over."""
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                return bool(await reader.read(1))
            finally:
                writer.close()
    except OSError:
        return False


def summarise(waits: Sequence[float | None]) -> Sample:
    """The mean wait in seconds and the share that was greeted."""
    if not waits:
        return Sample({}, {GREETING: "T", AVAILABILITY: "I"})
    greeted = [wait for wait in waits if wait is not None]
    availability = {AVAILABILITY: len(greeted) / len(waits)}
    if not greeted:
        return Sample(availability, {GREETING: "T"})
    return Sample({GREETING: sum(greeted) / len(greeted), **availability})
