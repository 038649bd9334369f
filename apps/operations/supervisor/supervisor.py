"""Keeps children running in order and stops them in reverse order."""

import asyncio
import time
from collections.abc import Callable, Sequence

from apps.operations.supervisor.backoff import BackoffPolicy
from apps.operations.supervisor.child import Child
from apps.operations.supervisor.keeper import Keeper
from apps.operations.supervisor.log import Report
from apps.operations.supervisor.status import ChildStatus

STOP_SECONDS = 8.0
KILL_SECONDS = 1.5


class Supervisor:
    """`on_change` is called with the children's states after each change of one of them."""

    def __init__(
        self,
        *,
        report: Report,
        on_change: Callable[[Sequence[ChildStatus]], None],
        policy: BackoffPolicy | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._report = report
        self._on_change = on_change
        self._policy = policy or BackoffPolicy()
        self._stop_seconds = stop_seconds
        self._keepers: list[Keeper] = []

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        return tuple(keeper.status for keeper in self._keepers)

    async def start(self, *children: Child) -> None:
        """Starts the children together and returns when all their gates are open.

        Raises: NotReadyError for the first whose gate stays shut; what runs goes on until `stop`.
        """
        keepers = [self._add_keeper(child) for child in children]
        for child in children:
            self._report("swarm", f"starting {child.name}")
        await asyncio.gather(*(keeper.start() for keeper in keepers))

    async def run_once(self, child: Child) -> str:
        """Runs a child that has an end of its own; how it ended, in words."""
        keeper = self._add_keeper(child)
        outcome = await keeper.run_once()
        self._keepers.remove(keeper)
        return outcome

    async def stop(self) -> None:
        """Asks the children to stop, the last started first, and kills what is left at the end.

        Each gets an equal share of the remaining time before the next one is asked as well.
        """
        deadline = time.monotonic() + self._stop_seconds
        remaining = list(reversed(self._keepers))
        for position, keeper in enumerate(remaining):
            keeper.ask_to_stop()
            left_seconds = max(0.0, deadline - time.monotonic())
            await keeper.wait_stopped(left_seconds / (len(remaining) - position))
        late = [
            keeper
            for keeper in remaining
            if not await keeper.wait_stopped(max(0.0, deadline - time.monotonic()))
        ]
        for keeper in late:
            self._report("swarm", f"{keeper.child.name} did not stop in time and is killed")
            keeper.kill()
        for keeper in late:
            await keeper.wait_stopped(KILL_SECONDS)

    def _add_keeper(self, child: Child) -> Keeper:
        keeper = Keeper(
            child,
            report=self._report,
            on_change=lambda: self._on_change(self.children),
            policy=self._policy,
        )
        self._keepers.append(keeper)
        return keeper
