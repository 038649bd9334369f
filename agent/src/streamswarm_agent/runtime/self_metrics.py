"""What the agent costs and how far behind it is: the source `agent`."""

from typing import ClassVar

import psutil

from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.runtime.budget import Budget
from streamswarm_agent.runtime.clock import ServerTime
from streamswarm_agent.runtime.uploader import Uploader
from streamswarm_agent.spool.spool import Spool


class SelfCollector:
    """The agent's share of one core, its memory in bytes, its budget, its spool, its last upload.

    Facts: the budget's step with its reason, why the agent last restarted itself, and what it may
    measure with.
    """

    name: ClassVar[str] = "agent"

    def __init__(
        self,
        spool: Spool,
        uploader: Uploader,
        server_time: ServerTime,
        process: psutil.Process,
        *,
        budget: Budget,
        last_restart: str = "",
        capabilities: str = "",
    ) -> None:
        self._spool = spool
        self._uploader = uploader
        self._server_time = server_time
        self._process = process
        self._budget = budget
        self._last_restart = last_restart
        self._capabilities = capabilities
        self._is_first = True

    def collect(self) -> Collection:
        """One frame; absent are processor shares at first (I), the upload before any (T)."""
        verdict = self._budget.verdict
        oldest_at = self._uploader.oldest_at
        values = {
            "agent.memory.limit": verdict.memory_limit_bytes,
            "agent.cpu.limit": verdict.cpu_limit_share,
            "agent.budget.step": float(verdict.level),
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
        if verdict.cpu_share is None:
            absent["agent.cpu.utilization.1m"] = "I"
        else:
            values["agent.cpu.utilization.1m"] = verdict.cpu_share
        if self._uploader.last_duration_seconds is None:
            absent["agent.upload.duration"] = "T"
        else:
            values["agent.upload.duration"] = self._uploader.last_duration_seconds
        return Collection((CollectedFrame("agent", "", values, absent),), self._list_facts())

    def _list_facts(self) -> tuple[CollectedFact, ...]:
        facts = {"agent.budget": self._budget.verdict.describe()}
        if self._last_restart:
            facts["agent.restart"] = self._last_restart
        if self._capabilities:
            facts["agent.capability"] = self._capabilities
        return tuple(CollectedFact("agent", "", key, value) for key, value in facts.items())
