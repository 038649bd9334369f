"""What the agent costs and how far behind it is: the source `agent`."""

from typing import ClassVar

import psutil

from streamswarm_agent.collectors.base import CollectedFrame, Collection
from streamswarm_agent.runtime.clock import ServerTime
from streamswarm_agent.runtime.uploader import Uploader
from streamswarm_agent.spool.spool import Spool


class SelfCollector:
    """The agent's share of one core, its memory in bytes, its spool and its last upload."""

    name: ClassVar[str] = "agent"

    def __init__(
        self, spool: Spool, uploader: Uploader, server_time: ServerTime, process: psutil.Process
    ) -> None:
        self._spool = spool
        self._uploader = uploader
        self._server_time = server_time
        self._process = process
        self._is_first = True

    def collect(self) -> Collection:
        """One frame; absent are the processor share at first (I), the upload before any (T)."""
        oldest_at = self._uploader.oldest_at
        values = {
            "agent.memory.rss": float(self._process.memory_info().rss),
            "agent.spool.depth": float(self._spool.depth),
            "agent.spool.dropped": float(self._spool.dropped),
            "agent.spool.oldest_age": (
                0.0 if oldest_at is None else max(0.0, self._server_time.now() - oldest_at)
            ),
        }
        absent = {}
        utilization = self._process.cpu_percent(None) / 100
        if self._is_first:
            absent["agent.cpu.utilization"] = "I"
            self._is_first = False
        else:
            values["agent.cpu.utilization"] = utilization
        if self._uploader.last_duration_seconds is None:
            absent["agent.upload.duration"] = "T"
        else:
            values["agent.upload.duration"] = self._uploader.last_duration_seconds
        return Collection(frames=(CollectedFrame("agent", "", values, absent),))
