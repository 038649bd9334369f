"""Everything on one machine: what `manage.py up` does, in order, until it is asked to stop."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from apps.operations.supervisor.child import Child
from apps.operations.supervisor.lock import check_address_is_free, hold_lock
from apps.operations.supervisor.log import Report
from apps.operations.supervisor.programs import (
    Site,
    describe_beat,
    describe_redis,
    describe_web,
    describe_worker,
)
from apps.operations.supervisor.status import LOCK_NAME, ChildStatus, write_status
from apps.operations.supervisor.supervisor import Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Preparation(Protocol):
    """What the start does in the database; each call may take a while and runs in a thread."""

    def prepare_database(self) -> None:
        """Migrates and syncs the schedules."""

    def open_setup(self) -> str | None:
        """The one-time setup code; None when there is a user or a password was given."""

    def prepare_enrolment(self) -> Child | None:
        """The program that enrols the agent of this machine; None when it is enrolled."""

    def prepare_agent(self) -> Child | str:
        """The enrolled agent of this machine, or the reason why it is left out."""


class Embedded:
    """One run of everything; `announce` gets the lines for the person who started it."""

    def __init__(
        self,
        site: Site,
        preparation: Preparation,
        *,
        has_own_redis: bool,
        report: Report,
        announce: Callable[[Sequence[str]], None],
    ) -> None:
        self._site = site
        self._preparation = preparation
        self._has_own_redis = has_own_redis
        self._report = report
        self._announce = announce
        self._messages: list[str] = []
        self._supervisor = Supervisor(report=report, on_change=self._write_status)

    def run(self) -> None:
        """Returns when a signal has stopped everything.

        Raises: SupervisorError when something is in the way or does not become ready.
        """
        self._site.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._site.var_dir.chmod(0o700)
        with hold_lock(self._site.var_dir / LOCK_NAME):
            check_address_is_free(self._site.host, self._site.port)
            asyncio.run(self._run_until_asked())

    async def _run_until_asked(self) -> None:
        stopping = asyncio.Event()
        for signal_number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
        starting = asyncio.create_task(self._start())
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await asked
        finally:
            starting.cancel()
            asked.cancel()
            self._report("swarm", "stopping")
            await asyncio.wait([starting])
            await self._supervisor.stop()
            self._report("swarm", "stopped")

    async def _start(self) -> None:
        if self._has_own_redis:
            await self._supervisor.start(describe_redis(self._site))
        self._report("swarm", "preparing the database")
        await asyncio.to_thread(self._preparation.prepare_database)
        setup_code = await asyncio.to_thread(self._preparation.open_setup)
        await self._supervisor.start(
            describe_web(self._site), describe_worker(self._site), describe_beat(self._site)
        )
        await self._start_agent()
        self._announce(describe_welcome(self._site.address, setup_code, self._messages))

    async def _start_agent(self) -> None:
        enrolment = await asyncio.to_thread(self._preparation.prepare_enrolment)
        if enrolment is not None:
            await self._supervisor.run_once(enrolment)
        agent = await asyncio.to_thread(self._preparation.prepare_agent)
        if isinstance(agent, Child):
            await self._supervisor.start(agent)
            return
        self._messages.append(agent)
        self._report("swarm", agent)
        self._write_status(self._supervisor.children)

    def _write_status(self, children: Sequence[ChildStatus]) -> None:
        write_status(
            self._site.var_dir,
            address=self._site.address,
            children=children,
            messages=self._messages,
        )


def describe_welcome(
    address: str, setup_code: str | None, messages: Sequence[str]
) -> tuple[str, ...]:
    """The closing lines of a start: where to go, and with what."""
    lines = [f"StreamSwarm is ready at {address}/"]
    if setup_code is not None:
        lines += [
            f"Create the administrator at {address}/setup/",
            f"with the one-time setup code {setup_code}",
        ]
    return (*lines, *messages, "Press Ctrl-C to stop.")
