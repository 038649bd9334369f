"""The rounds of a trace: every hop of every flow asked once, at a bounded rate."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from streamswarm_agent.probes.base import Clock, ProbeRequest
from streamswarm_agent.probes.trace_answers import Answer
from streamswarm_agent.probes.trace_flows import Flow
from streamswarm_agent.probes.trace_path import Trial

Asked = dict[tuple[int, int], "asyncio.Future[Answer | None]"]


class Rounds:
    """Asks in the order of distance and stops behind the target; nothing begins after the run.

    From the second round on a flow asks beyond the target's known distance only when somebody else
    answers there: silence is a lost probe, and no longer path.
    """

    def __init__(self, clock: Clock, flows: Sequence[Flow], request: ProbeRequest) -> None:
        self.trials: list[Trial] = []
        self._clock = clock
        self._flows = flows
        self._count = int(request.parameters["queries"])
        self._ttls = range(
            int(request.parameters["first_ttl"]), int(request.parameters["max_ttl"]) + 1
        )
        self._pause_seconds = 1 / float(request.parameters["packets_per_second"])
        self._duration_seconds = request.duration_seconds
        self._end = 0.0
        self._distances: dict[int, int] = {}

    async def run(self) -> AsyncIterator[Sequence[Trial]]:
        """The trials of each round once it is over; `trials` are those of all rounds."""
        start = self._clock.monotonic()
        self._end = start + self._duration_seconds
        for number in range(self._count):
            planned = start + number * self._duration_seconds / self._count
            while (left := planned - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            found = await self._ask_all()
            if not found:
                break
            self.trials += found
            yield found

    async def _ask_all(self) -> list[Trial]:
        asked: Asked = {}
        unattributed = {flow.number: flow.unattributed_count for flow in self._flows}
        try:
            for ttl in self._ttls:
                for flow in self._flows:
                    await self._ask(flow, ttl, asked)
            if asked:
                await asyncio.wait(asked.values())
            for flow in self._flows:
                if flow.unattributed_count > unattributed[flow.number]:
                    await self._ask_singly(flow, asked)
        finally:
            for answer in asked.values():
                answer.cancel()
        self._note_distances(asked)
        return [Trial(flow, ttl, answer.result()) for (flow, ttl), answer in asked.items()]

    async def _ask(self, flow: Flow, ttl: int, asked: Asked) -> None:
        former = asked.get((flow.number, ttl - 1))
        is_decisive = flow.is_serial or self._distances.get(flow.number) == ttl - 1
        if former is not None and is_decisive:
            await asyncio.wait([former])
        if self._is_over(flow, asked) or self._clock.monotonic() >= self._end:
            return
        asked[flow.number, ttl] = flow.ask(ttl)
        await self._clock.sleep(self._pause_seconds)

    def _is_over(self, flow: Flow, asked: Asked) -> bool:
        expected = asked.get((flow.number, self._distances.get(flow.number, 0)))
        if expected is not None and expected.done() and expected.result() is None:
            return True
        return any(
            number == flow.number and _is_end(answer) for (number, _), answer in asked.items()
        )

    async def _ask_singly(self, flow: Flow, asked: Asked) -> None:
        """Ask the silent hops again, one at a time: an answer that quotes too little is then clear.

        Source: RFC 792 asks routers for no more than 8 bytes of the packet, which is no payload.
        """
        for (number, ttl), answer in sorted(asked.items()):
            if number != flow.number or answer.result() is not None:
                continue
            if self._clock.monotonic() >= self._end:
                return
            again = flow.ask(ttl)
            await asyncio.wait([again])
            asked[number, ttl] = again
            if _is_end(again):
                return

    def _note_distances(self, asked: Asked) -> None:
        found: dict[int, int] = {}
        for (flow, ttl), answer in sorted(asked.items()):
            if _is_end(answer):
                found.setdefault(flow, ttl)
        self._distances |= found


def _is_end(answer: "asyncio.Future[Answer | None]") -> bool:
    if not answer.done() or answer.cancelled():
        return False
    found = answer.result()
    return found is not None and found.verdict != "passed"
