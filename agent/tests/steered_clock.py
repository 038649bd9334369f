"""A clock that only a test moves."""

import asyncio


class SteeredClock:
    """`sleep` passes at once and moves both clocks; `step_wall` moves the host's clock alone.

    After `last_sleep` sleeps the sleeper is cancelled: that ends a loop which never ends.
    """

    def __init__(self, wall=1_769_860_000.0):
        self._monotonic = 1000.0
        self._wall = wall
        self.slept = []
        self.last_sleep = None

    def monotonic(self):
        return self._monotonic

    def wall(self):
        return self._wall

    def advance(self, seconds):
        self._monotonic += seconds
        self._wall += seconds

    def step_wall(self, seconds):
        self._wall += seconds

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if len(self.slept) == self.last_sleep:
            raise asyncio.CancelledError
        self.advance(seconds)
        await asyncio.sleep(0)
