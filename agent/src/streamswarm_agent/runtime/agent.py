"""Runs the parts and stops them in order."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from functools import partial

import psutil

from streamswarm_agent.collectors import ARGUMENTS_VARIABLE, build_collectors
from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.collectors.capabilities import detect_capabilities, name_available
from streamswarm_agent.collectors.inventory import collect_inventory
from streamswarm_agent.errors import AgentError
from streamswarm_agent.probes import PROBES
from streamswarm_agent.runtime import budget
from streamswarm_agent.runtime.collecting import collect_for_ever
from streamswarm_agent.runtime.parts import AgentOptions, Parts, build_parts
from streamswarm_agent.runtime.reloading import reload_configuration
from streamswarm_agent.runtime.repetition import keep_running, repeat_call
from streamswarm_agent.runtime.self_metrics import SelfCollector
from streamswarm_agent.runtime.status import Status, read_last_restart, write_restart
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.transport.nudges import listen_for_nudges

logger = logging.getLogger(__name__)

Loop = Callable[[], Awaitable[None]]

_GREETING_SECONDS = 3.0
_LAST_UPLOAD_SECONDS = 3.0
_INVENTORY_SECONDS = 600.0
_CONFIG_SECONDS = 3600.0
_ARGUMENTS = "collectors.processes.arguments"


class Ending(StrEnum):
    """How a process of the agent ends."""

    STOPPED = "stopped"
    DAMAGED = "the spool proved to be damaged"
    RESTART = "over its hard memory limit"


async def run_agent(state: StateDirectory, identity: Identity, options: AgentOptions) -> Ending:
    """Run until SIGTERM or SIGINT, a damaged spool, or far too much memory; SIGHUP reads settings.

    Raises: AgentError when the state directory is in use or something in it is not understood.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    damages: list[str] = []

    def stop_for_damage() -> None:
        damages.append("spool")
        loop.call_soon_threadsafe(stopping.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    with state.hold_lock():
        parts = build_parts(state, identity, options, on_damage=stop_for_damage)
        if options.sources is not None and hasattr(signal, "SIGHUP"):
            reload = partial(reload_configuration, parts, options.sources, state)
            loop.add_signal_handler(signal.SIGHUP, reload)
        agent = Agent(parts, state)
        await agent.run(stopping)
    if damages:
        return Ending.DAMAGED
    return Ending.RESTART if parts.budget.restart_reason else Ending.STOPPED


class Agent:
    """The loops of one agent process."""

    def __init__(self, parts: Parts, state: StateDirectory) -> None:
        self._parts = parts
        self._state = state
        self._clock = parts.server_time.clock
        self._status = Status(state, parts)

    async def run(self, stopping: asyncio.Event) -> None:
        """Measure, keep and send until `stopping` is set; then close every run and go."""
        await self._begin()
        loops = [
            asyncio.create_task(keep_running(name, loop, self._clock), name=name)
            for name, loop in self._list_loops(stopping)
        ]
        await stopping.wait()
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._end()

    async def _begin(self) -> None:
        parts = self._parts
        aborted = await parts.recorder.close_interrupted_runs()
        await parts.recorder.complete_ledger()
        with contextlib.suppress(AgentError, TimeoutError):
            # The first measurements should carry the server's time already.
            async with asyncio.timeout(_GREETING_SECONDS):
                await parts.heartbeat.send()
        parts.orders.resume()
        logger.info("agent_started waiting=%d aborted=%d", parts.storage.spool.depth, aborted)

    async def _end(self) -> None:
        parts = self._parts
        reason = parts.budget.restart_reason
        await parts.executor.abort_all(f"agent restarts: {reason}" if reason else "agent stopped")
        with contextlib.suppress(AgentError, TimeoutError, sqlite3.Error):
            async with asyncio.timeout(_LAST_UPLOAD_SECONDS):
                await parts.uploader.flush()
        await parts.line.client.close()
        parts.storage.close()
        if reason:
            write_restart(self._state, parts.server_time.now(), reason)
        logger.info("agent_stopped waiting=%d", parts.storage.spool.depth)

    def _list_loops(self, stopping: asyncio.Event) -> Iterator[tuple[str, Loop]]:
        parts = self._parts
        yield "scheduler", parts.scheduler.run
        yield "nudges", self._listen
        yield "inventory", self._watch_inventory
        yield "budget", partial(self._watch_budget, stopping)
        yield from self._list_calls()
        for collector in self._build_collectors():
            arguments = (collector, parts.recorder, parts.settings, self._clock)
            yield (
                f"collector {collector.name}",
                partial(collect_for_ever, *arguments, lambda: parts.budget.step),
            )

    def _list_calls(self) -> Iterator[tuple[str, Loop]]:
        parts = self._parts
        heartbeat, settings, wakes = parts.heartbeat, parts.settings, parts.wakes
        refresh = partial(settings.refresh, parts.line.client)
        calls: tuple[tuple[str, Loop, Callable[[], float], asyncio.Event], ...] = (
            ("heartbeat", heartbeat.send, lambda: heartbeat.period_seconds, wakes.heartbeat),
            ("leases", parts.orders.fetch, lambda: settings.config.lease_seconds, wakes.leases),
            ("config", refresh, lambda: _CONFIG_SECONDS, wakes.config),
            (
                "upload",
                parts.uploader.flush_paced,
                lambda: settings.config.idle_seconds,
                wakes.upload,
            ),
        )
        for name, call, period_seconds, wake in calls:
            yield (
                name,
                partial(
                    repeat_call,
                    name,
                    call,
                    period_seconds=period_seconds,
                    wake=wake,
                    clock=self._clock,
                ),
            )

    def _build_collectors(self) -> list[Collector]:
        parts = self._parts
        own = SelfCollector(
            parts.storage.spool,
            parts.uploader,
            parts.server_time,
            psutil.Process(),
            budget=parts.budget,
            last_restart=read_last_restart(self._state),
            capabilities=name_available(detect_capabilities()),
        )
        has_arguments = parts.settings.configuration.resolve(_ARGUMENTS).value
        variables = {ARGUMENTS_VARIABLE: str(has_arguments).lower()}
        return [*build_collectors(variables).values(), own]

    async def _listen(self) -> None:
        line = self._parts.line
        await listen_for_nudges(
            line.identity.server_url,
            line.identity.key,
            tls=line.tls,
            proxy=line.proxy,
            on_nudge=self._parts.wakes.obey,
        )

    async def _watch_budget(self, stopping: asyncio.Event) -> None:
        watched = self._parts.budget
        while True:
            watched.observe(is_running=bool(self._parts.executor.running))
            if watched.restart_reason:
                logger.error("agent_restarts reason=%s", watched.restart_reason)
                stopping.set()
                return
            if self._status.is_new:
                await asyncio.to_thread(self._status.keep)
            await self._clock.sleep(budget.OBSERVE_SECONDS)

    async def _watch_inventory(self) -> None:
        while True:
            inventory = await asyncio.to_thread(
                collect_inventory, tuple(PROBES), responder=self._parts.pairing.describe()
            )
            self._parts.heartbeat.replace_inventory(inventory)
            await self._clock.sleep(_INVENTORY_SECONDS)
