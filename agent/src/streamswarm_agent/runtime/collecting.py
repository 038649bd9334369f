"""Reads the host's metrics at their intervals."""

import asyncio
import logging

from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.wire.messages import CollectorSettings

logger = logging.getLogger(__name__)

_DEFAULT = CollectorSettings()


async def collect_for_ever(
    collector: Collector, recorder: Recorder, settings: Settings, clock: Clock
) -> None:
    """Record what a collector finds once per interval of the configuration, without drift.

    A collector the configuration does not name runs every 10 s. One that hangs (a dead network
    file system) holds up only itself: it has a thread of its own while it reads.
    """
    due = clock.monotonic()
    while True:
        wanted = settings.config.collectors.get(collector.name, _DEFAULT)
        if wanted.is_enabled:
            try:
                collection = await asyncio.to_thread(collector.collect)
            except Exception:
                logger.exception("collector_broke name=%s", collector.name)
            else:
                await recorder.record_collection(collection)
        due = max(due + wanted.interval_seconds, clock.monotonic())
        await clock.sleep(due - clock.monotonic())
