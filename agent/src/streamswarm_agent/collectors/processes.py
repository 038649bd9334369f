"""The `processes` collector: who uses the processor and the memory."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, ClassVar

from streamswarm_agent.collectors.base import CollectedDocument, Collection
from streamswarm_agent.collectors.documents import clean, describe_missing, fit_rows
from streamswarm_agent.collectors.process_table import (
    Process,
    ProcessDetails,
    ProcessTable,
    ProcTable,
    PsutilTable,
)
from streamswarm_agent.collectors.redaction import redact

TOP = 20
Identity = tuple[int, float]


def open_process_table() -> ProcessTable:
    """The table of this system."""
    return ProcTable() if sys.platform == "linux" else PsutilTable()


class ProcessesCollector:
    """One document: the 20 busiest and the 20 largest processes, and how many are in each state.

    `cpu_ratio` is the share of one core since the previous pass (4.0 is four cores), null for a
    process that was not there then. `command` is the program's name; the whole line, with secrets
    hidden, only when the host's owner allows it. What is not visible stands in `missing`.
    """

    name: ClassVar[str] = "processes"

    def __init__(
        self,
        table: ProcessTable | None = None,
        *,
        shows_arguments: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table or open_process_table()
        self._shows_arguments = shows_arguments
        self._monotonic = monotonic
        self._previous: Mapping[Identity, float] = {}
        self._previous_at: float | None = None

    def collect(self) -> Collection:
        """One pass over all processes."""
        at_seconds = self._monotonic()
        processes = list(self._table.list_processes())
        elapsed_seconds = None if self._previous_at is None else at_seconds - self._previous_at
        ratios = self._compute_ratios(processes, elapsed_seconds)
        self._previous = {identify(process): process.cpu_seconds for process in processes}
        self._previous_at = at_seconds
        body = {
            "interval_seconds": elapsed_seconds and round(elapsed_seconds, 3),
            "total": len(processes),
            "thread_total": sum(process.threads for process in processes),
            "states": dict(Counter(process.state for process in processes).most_common()),
            "shows_arguments": self._shows_arguments,
            "missing": list(self._list_missing(is_first=elapsed_seconds is None)),
        }
        chosen = choose_top(processes, ratios)
        rows = [self._describe(process, ratios.get(identify(process))) for process in chosen]
        return Collection(
            documents=(CollectedDocument("processes", fit_rows(body, rows, max_rows=2 * TOP)),)
        )

    def _compute_ratios(
        self, processes: Sequence[Process], elapsed_seconds: float | None
    ) -> dict[Identity, float]:
        if not elapsed_seconds:
            return {}
        return {
            name: max(process.cpu_seconds - self._previous[name], 0.0) / elapsed_seconds
            for process in processes
            if (name := identify(process)) in self._previous
        }

    def _list_missing(self, *, is_first: bool) -> Sequence[Mapping[str, str]]:
        missing = []
        if is_first:
            missing.append(describe_missing("I", "processor shares need a second look"))
        if not self._table.sees_all():
            what = "processes of other users: the system hides them from this one"
            remedy = "run the agent as root, or mount /proc without hidepid"
            missing.append(describe_missing("P", what, remedy))
        return missing

    def _describe(self, process: Process, cpu_ratio: float | None) -> dict[str, Any]:
        details = self._table.describe(process)
        return {
            "pid": process.pid,
            "name": clean(process.name),
            "user": clean(details.user),
            "state": process.state,
            "cpu_ratio": None if cpu_ratio is None else round(cpu_ratio, 4),
            "rss_bytes": process.rss_bytes,
            "threads": process.threads,
            "started_at": write_time(details.started_at),
            "command": clean(self._write_command(process, details)),
        }

    def _write_command(self, process: Process, details: ProcessDetails) -> str:
        if not details.arguments:
            return process.name
        if self._shows_arguments:
            return redact(details.arguments)
        program = details.arguments[0].split(" ", 1)[0]
        return PurePath(program).name or process.name


def choose_top(processes: Sequence[Process], ratios: Mapping[Identity, float]) -> Sequence[Process]:
    """The busiest 20 and the largest 20, together, the busiest first."""

    def rank(process: Process) -> tuple[float, int]:
        return (ratios.get(identify(process), -1.0), process.rss_bytes)

    busiest = sorted(processes, key=rank, reverse=True)[:TOP] if ratios else []
    largest = sorted(processes, key=lambda process: process.rss_bytes, reverse=True)[:TOP]
    chosen = {process.pid: process for process in (*busiest, *largest)}
    return sorted(chosen.values(), key=rank, reverse=True)


def identify(process: Process) -> Identity:
    """Numbers are used again; the start tells which process it is."""
    return (process.pid, process.started_seconds)


def write_time(unix_seconds: float | None) -> str | None:
    if unix_seconds is None:
        return None
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
