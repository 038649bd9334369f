"""Time: the host's clocks, the server's time as the agent knows it, and waiting."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from streamswarm_agent.probes.base import Clock

_KEPT_EXCHANGES = 8
_TOLERATED_CONTRADICTION_SECONDS = 0.05


class SystemClock:
    """The clocks of this host."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait that long.

        `asyncio.sleep` cancels its timer even after it has gone off, which a thousand pings a
        second pay for.
        """
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(max(seconds, 0.0), _end_wait, over)
        try:
            await over
        except asyncio.CancelledError:
            timer.cancel()
            raise


@dataclass(frozen=True, slots=True)
class Exchange:
    """Four time stamps: the agent's two on its monotonic clock, the server's two in Unix time."""

    sent_monotonic: float
    received_at: float
    answered_at: float
    arrived_monotonic: float

    @property
    def origin_seconds(self) -> float:
        """The Unix time at which the agent's monotonic clock read 0."""
        outward = self.received_at - self.sent_monotonic
        homeward = self.answered_at - self.arrived_monotonic
        return (outward + homeward) / 2

    @property
    def error_seconds(self) -> float:
        """The most by which `origin_seconds` can be wrong: half the time on the road."""
        journey = self.arrived_monotonic - self.sent_monotonic
        return max(0.0, (journey - (self.answered_at - self.received_at)) / 2)


class ServerTime:
    """The server's time, running on the agent's monotonic clock between exchanges.

    Of the last 8 exchanges the one with the smallest error counts. Until the first one the host's
    clock is believed. A step of the host's clock therefore changes nothing that is measured.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._origin_seconds = clock.wall() - clock.monotonic()
        self._exchanges: deque[Exchange] = deque(maxlen=_KEPT_EXCHANGES)
        self.error_seconds: float | None = None

    def now(self) -> float:
        """Unix seconds."""
        return self._origin_seconds + self.clock.monotonic()

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    @property
    def offset_seconds(self) -> float:
        """What has to be added to the host's clock to get the server's time."""
        return self.now() - self.clock.wall()

    def learn(self, exchange: Exchange) -> None:
        """Take an exchange into account, forgetting older ones that it proves wrong.

        The monotonic clock stands still while a host sleeps: exchanges from before cannot be
        right together with one from after.
        """
        consistent = [old for old in self._exchanges if not _is_contradiction(old, exchange)]
        self._exchanges = deque([*consistent, exchange], maxlen=_KEPT_EXCHANGES)
        best = min(self._exchanges, key=lambda kept: kept.error_seconds)
        self._origin_seconds = best.origin_seconds
        self.error_seconds = best.error_seconds


def _end_wait(over: "asyncio.Future[None]") -> None:
    if not over.done():
        over.set_result(None)


def _is_contradiction(old: Exchange, new: Exchange) -> bool:
    bound = old.error_seconds + new.error_seconds + _TOLERATED_CONTRADICTION_SECONDS
    return abs(old.origin_seconds - new.origin_seconds) > bound


async def wait_for_event(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait until the event is set or the seconds have passed, and clear it."""
    waiter = asyncio.ensure_future(event.wait())
    sleeper = asyncio.ensure_future(clock.sleep(max(0.0, seconds)))
    try:
        await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
        sleeper.cancel()
    event.clear()
