"""What the agent may cost, and what it gives up, step by step, when it costs more."""

import gc
import logging
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import psutil

from streamswarm_agent.runtime.configuration.resolution import Configuration
from streamswarm_agent.runtime.configuration.table import BYTES_PER_MEGABYTE
from streamswarm_agent.wire.batches import MAXIMUM_RECORDS

logger = logging.getLogger(__name__)

OBSERVE_SECONDS = 10.0
WINDOW_SECONDS = 60.0
RECOVERY_SECONDS = 300.0
RECOVERED_SHARE = 0.8
HARD_FACTOR = 2.0
SHORTEST_LIFE_SECONDS = 600.0
LONGEST_STRETCHED_SECONDS = 300.0
DOCUMENT_COLLECTORS = frozenset({"processes", "connections"})


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process holds and has used so far: resident bytes, processor seconds."""

    memory_bytes: float
    cpu_seconds: float


class UsageReader(Protocol):
    """Reads the whole process: the agent cannot tell a probe's share from its own."""

    def read(self) -> Usage:
        """The usage at this moment."""


class ProcessUsage:
    """Reads this process by psutil."""

    def __init__(self) -> None:
        self._process = psutil.Process()

    def read(self) -> Usage:
        times = self._process.cpu_times()
        return Usage(float(self._process.memory_info().rss), times.user + times.system)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of memory and share of one core, at rest and while a test runs."""

    memory_bytes: float
    cpu_share: float
    running_memory_bytes: float
    running_cpu_share: float

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """The configured limits; work may never cost less than rest."""
        memory = configuration.read_number("budget.memory_megabytes") * BYTES_PER_MEGABYTE
        cpu_share = configuration.read_number("budget.cpu_percent") / 100
        running_memory = configuration.read_number("budget.running_memory_megabytes")
        running_cpu = configuration.read_number("budget.running_cpu_percent")
        return cls(
            memory,
            cpu_share,
            max(memory, running_memory * BYTES_PER_MEGABYTE),
            max(cpu_share, running_cpu / 100),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A named step of saving; what it does not name stays as it is."""

    name: str
    interval_factor: float = 1.0
    has_documents: bool = True
    batch_records: int = MAXIMUM_RECORDS

    def stretch(self, interval_seconds: float) -> float:
        """A collector's interval under this step, at most 5 min unless it was longer already."""
        stretched = min(interval_seconds * self.interval_factor, LONGEST_STRETCHED_SECONDS)
        return max(interval_seconds, stretched)

    def leaves_out(self, collector: str) -> bool:
        return not self.has_documents and collector in DOCUMENT_COLLECTORS


STEPS = (
    Step("normal"),
    Step("collectors at half pace", 2.0),
    Step("no documents", 2.0, has_documents=False, batch_records=200),
    Step("collectors at quarter pace", 4.0, has_documents=False, batch_records=100),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of the budget: usage over the last minute beside the limits that hold now.

    `cpu_share` is None while the first minute is not over. `reason` is empty at the step `normal`.
    """

    step: Step
    level: int
    reason: str
    memory_bytes: float
    memory_limit_bytes: float
    cpu_share: float | None
    cpu_limit_share: float
    is_working: bool

    def describe(self) -> str:
        """The step and why it was taken, the same text as long as both stay."""
        return f"{self.step.name}: {self.reason}" if self.reason else self.step.name


@dataclass(frozen=True, slots=True)
class _Observation:
    at_seconds: float
    usage: Usage
    is_running: bool


def release_memory(platform: str = sys.platform) -> None:
    """Collect what is garbage and, where the C library can, give free memory back."""
    gc.collect()
    if platform == "linux":
        import ctypes  # a megabyte that most agents never need

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Budget:
    """Watches the process's usage and chooses the step of saving.

    The mean over a minute counts; while a test ran within it, the wider limits hold. Memory over
    its limit is first given back to the system. Over a limit the next step follows every minute;
    below 80 % of both for five minutes, one step back.
    """

    def __init__(
        self,
        limits: Limits,
        reader: UsageReader,
        monotonic: Callable[[], float],
        *,
        release_memory: Callable[[], None] = release_memory,
    ) -> None:
        """`release_memory` gives back to the system what is not used any more."""
        self.limits = limits
        self._reader = reader
        self._monotonic = monotonic
        self._release_memory = release_memory
        self._began_at = monotonic()
        self._changed_at = self._began_at
        self._strained_at = self._began_at
        self._released_at = float("-inf")
        self._reason = ""
        self._level = 0
        self._observations: deque[_Observation] = deque()
        self.restart_reason = ""
        self.verdict = self._judge(_Observation(self._began_at, reader.read(), is_running=False))

    @property
    def step(self) -> Step:
        return STEPS[self._level]

    def observe(self, *, is_running: bool) -> Verdict:
        """Read the usage once and change the step if it is time to.

        Over twice the memory limit, after ten minutes of life, `restart_reason` says so: a leak is
        not cured by saving.
        """
        now = self._monotonic()
        observation = _Observation(now, self._read_usage(now, is_running=is_running), is_running)
        self._observations.append(observation)
        while len(self._observations) > 1 and now - self._observations[1].at_seconds >= (
            WINDOW_SECONDS
        ):
            self._observations.popleft()
        verdict = self._judge(observation)
        excess = _describe_excess(verdict)
        if excess:
            self._strained_at = now
            self._tighten(excess, now)
        elif _is_strained(verdict):
            self._strained_at = now
        elif now - max(self._strained_at, self._changed_at) >= RECOVERY_SECONDS:
            self._relax(now)
        self._note_hard_excess(verdict, now)
        self.verdict = self._judge(observation)
        return self.verdict

    def _read_usage(self, now: float, *, is_running: bool) -> Usage:
        """The usage, after giving memory back when it is over the limit; once a minute."""
        usage = self._reader.read()
        limits = self.limits
        limit_bytes = limits.running_memory_bytes if is_running else limits.memory_bytes
        if usage.memory_bytes <= limit_bytes or now - self._released_at < WINDOW_SECONDS:
            return usage
        return self._read_after_release(now)

    def _read_after_release(self, now: float) -> Usage:
        self._release_memory()
        self._released_at = now
        return self._reader.read()

    def _judge(self, latest: _Observation) -> Verdict:
        is_working = latest.is_running or any(one.is_running for one in self._observations)
        limits = self.limits
        return Verdict(
            step=self.step,
            level=self._level,
            reason=self._reason,
            memory_bytes=latest.usage.memory_bytes,
            memory_limit_bytes=limits.running_memory_bytes if is_working else limits.memory_bytes,
            cpu_share=self._average_cpu(),
            cpu_limit_share=limits.running_cpu_share if is_working else limits.cpu_share,
            is_working=is_working,
        )

    def _average_cpu(self) -> float | None:
        if not self._observations:
            return None
        oldest, latest = self._observations[0], self._observations[-1]
        elapsed_seconds = latest.at_seconds - oldest.at_seconds
        if elapsed_seconds < WINDOW_SECONDS - OBSERVE_SECONDS:
            return None
        return (latest.usage.cpu_seconds - oldest.usage.cpu_seconds) / elapsed_seconds

    def _tighten(self, excess: str, now: float) -> None:
        if now - self._changed_at < WINDOW_SECONDS:
            return
        self._changed_at = now
        if self._level < len(STEPS) - 1:
            self._level += 1
            self._reason = excess
            logger.warning("budget_exceeded reason=%s step=%s", excess, self.step.name)

    def _relax(self, now: float) -> None:
        if self._level > 0:
            self._changed_at = now
            self._level -= 1
            self._reason = self._reason if self._level else ""
            logger.info("budget_recovered step=%s", self.step.name)

    def _note_hard_excess(self, verdict: Verdict, now: float) -> None:
        hard_bytes = verdict.memory_limit_bytes * HARD_FACTOR
        if verdict.memory_bytes <= hard_bytes or now - self._began_at < SHORTEST_LIFE_SECONDS:
            return
        memory_bytes = verdict.memory_bytes
        if self._released_at != now:
            memory_bytes = self._read_after_release(now).memory_bytes
        if memory_bytes > hard_bytes:
            self.restart_reason = (
                f"memory {_megabytes(memory_bytes)} is over the hard limit of "
                f"{_megabytes(hard_bytes)}"
            )


def _describe_excess(verdict: Verdict) -> str:
    """Which limit is broken and by what, empty when none is."""
    reasons = []
    if verdict.memory_bytes > verdict.memory_limit_bytes:
        limit = _megabytes(verdict.memory_limit_bytes)
        reasons.append(f"memory {_megabytes(verdict.memory_bytes)} of {limit}")
    if verdict.cpu_share is not None and verdict.cpu_share > verdict.cpu_limit_share:
        shares = f"{verdict.cpu_share:.1%} of {verdict.cpu_limit_share:.1%}"
        reasons.append(f"processor {shares} of a core")
    return " and ".join(reasons)


def _is_strained(verdict: Verdict) -> bool:
    return verdict.memory_bytes > verdict.memory_limit_bytes * RECOVERED_SHARE or (
        verdict.cpu_share is None or verdict.cpu_share > verdict.cpu_limit_share * RECOVERED_SHARE
    )


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / BYTES_PER_MEGABYTE:.0f} MB"
