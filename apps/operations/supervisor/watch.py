"""Whether a running child still does its work, asked again and again."""

import asyncio
import math
import time

from apps.operations.supervisor.child import Child

STARTING_INTERVAL_SECONDS = 1.0


class Watch:
    """One run of a child."""

    def __init__(self, child: Child) -> None:
        self._child = child
        # Without a question to ask, a child is taken to be well from its first moment.
        self._well_since = time.monotonic() if child.probe is None else None

    def read_well_seconds(self) -> float:
        """How long ago the child first did its work; 0 when it never did."""
        return 0.0 if self._well_since is None else time.monotonic() - self._well_since

    async def wait_until_hung(self) -> None:
        """Returns when the child has left too many questions unanswered; else never."""
        probe = self._child.probe
        if probe is None:
            await asyncio.Event().wait()
            return
        misses_left = math.ceil(self._child.ready_timeout_seconds / STARTING_INTERVAL_SECONDS)
        while misses_left > 0:
            is_starting = self._well_since is None
            await asyncio.sleep(
                STARTING_INTERVAL_SECONDS if is_starting else probe.interval_seconds
            )
            if await probe.is_alive():
                misses_left = probe.most_misses
                self._well_since = self._well_since or time.monotonic()
            else:
                misses_left -= 1
