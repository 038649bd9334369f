"""Reads the host's metrics at their intervals."""

import asyncio
import logging
from collections.abc import Callable

from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.runtime.budget import STEPS, Step
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.runtime.settings import Settings

logger = logging.getLogger(__name__)


async def collect_for_ever(
    collector: Collector,
    recorder: Recorder,
    settings: Settings,
    clock: Clock,
    read_step: Callable[[], Step] = lambda: STEPS[0],
) -> None:
    """Record what a collector finds once per interval of the configuration, without drift.

    A collector nobody names runs every 10 s, or at its own default. The budget's step stretches
    the interval or leaves the collector out. One that hangs (a dead network file system) holds up
    only itself: it has a thread of its own.
    """
    due = clock.monotonic()
    while True:
        wanted, step = settings.read_collector(collector.name), read_step()
        if wanted.is_enabled and not step.leaves_out(collector.name):
            try:
                collection = await asyncio.to_thread(collector.collect)
            except Exception:
                logger.exception("collector_broke name=%s", collector.name)
            else:
                await recorder.record_collection(collection)
        due = max(due + step.stretch(wanted.interval_seconds), clock.monotonic())
        await clock.sleep(due - clock.monotonic())
