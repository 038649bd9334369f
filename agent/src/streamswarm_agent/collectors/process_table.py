"""The table of processes: read from `/proc` on Linux, through psutil elsewhere."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import psutil

from streamswarm_agent.collectors.measures import read_if_supported

STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a device",
    "Z": "zombie",
    "T": "stopped",
    "t": "traced",
    "I": "idle",
    "X": "dead",
}
UNREADABLE = (OSError, ValueError, IndexError)


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment; pid and start tell it from its successors."""

    pid: int
    name: str
    state: str
    cpu_seconds: float
    rss_bytes: int
    threads: int
    started_seconds: float
    """Since the host's boot on Linux, Unix time elsewhere."""


@dataclass(frozen=True, slots=True)
class ProcessDetails:
    """What is read only of the few processes that are shown; "" and None for what may not be."""

    user: str
    arguments: tuple[str, ...]
    started_at: float | None


class ProcessTable(Protocol):
    """Where processes are read from."""

    def list_processes(self) -> Iterator[Process]:
        """Every process this one may see, each read once; those that end meanwhile are skipped."""

    def describe(self, process: Process) -> ProcessDetails:
        """The details of one of them."""

    def sees_all(self) -> bool:
        """Whether the processes of other users are visible too."""


class ProcTable:
    """Linux: one small file of `/proc` for each process, in the format of proc(5)."""

    def __init__(
        self,
        proc_root: Path = Path("/proc"),
        *,
        ticks_per_second: int | None = None,
        page_bytes: int | None = None,
        name_user: Callable[[int], str] | None = None,
    ) -> None:
        self._proc_root = proc_root
        self._ticks_per_second = ticks_per_second or os.sysconf("SC_CLK_TCK")
        self._page_bytes = page_bytes or os.sysconf("SC_PAGE_SIZE")
        self._name_user = name_user or name_user_of

    def list_processes(self) -> Iterator[Process]:
        for pid in list_pids(self._proc_root):
            with suppress(*UNREADABLE):
                yield self._parse((self._proc_root / str(pid) / "stat").read_bytes())

    def describe(self, process: Process) -> ProcessDetails:
        folder = self._proc_root / str(process.pid)
        owner = read_if_supported(folder.stat)
        command = read_if_supported((folder / "cmdline").read_bytes) or b""
        boot_seconds = self._read_boot_seconds()
        return ProcessDetails(
            user=self._name_user(owner.st_uid) if owner else "",
            arguments=tuple(
                part.decode("utf-8", "replace") for part in command.rstrip(b"\0").split(b"\0")
            )
            if command
            else (),
            started_at=boot_seconds + process.started_seconds if boot_seconds else None,
        )

    def sees_all(self) -> bool:
        return (self._proc_root / "1" / "stat").exists()

    def _parse(self, stat: bytes) -> Process:
        # The name stands in brackets and may itself hold brackets and blanks.
        pid, _, rest = stat.partition(b" (")
        name, _, fields = rest.rpartition(b") ")
        values = fields.split()
        return Process(
            pid=int(pid),
            name=name.decode("utf-8", "replace"),
            state=STATES.get(values[0].decode(), "unknown"),
            cpu_seconds=(int(values[11]) + int(values[12])) / self._ticks_per_second,
            threads=int(values[17]),
            started_seconds=int(values[19]) / self._ticks_per_second,
            rss_bytes=int(values[21]) * self._page_bytes,
        )

    def _read_boot_seconds(self) -> float | None:
        text = read_if_supported((self._proc_root / "stat").read_text) or ""
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == "btime" and value.strip().isdecimal():
                return float(value)
        return None


class PsutilTable:
    """Systems without `/proc`."""

    def __init__(self, iterate: Callable[[Sequence[str]], Iterator[Any]] | None = None) -> None:
        self._iterate = iterate or psutil.process_iter
        self._shown: dict[int, Any] = {}

    def list_processes(self) -> Iterator[Process]:
        wanted = ["pid", "name", "status", "cpu_times", "memory_info", "num_threads", "create_time"]
        self._shown = {}
        for process in self._iterate(wanted):
            found = process.info
            times, memory = found["cpu_times"], found["memory_info"]
            self._shown[found["pid"]] = process
            yield Process(
                pid=found["pid"],
                name=found["name"] or "",
                state=found["status"] or "unknown",
                cpu_seconds=times.user + times.system if times else 0.0,
                rss_bytes=memory.rss if memory else 0,
                threads=found["num_threads"] or 0,
                started_seconds=found["create_time"] or 0.0,
            )

    def describe(self, process: Process) -> ProcessDetails:
        found = self._shown[process.pid]
        return ProcessDetails(
            user=read_unless_denied(found.username, ""),
            arguments=tuple(read_unless_denied(found.cmdline, [])),
            started_at=process.started_seconds or None,
        )

    def sees_all(self) -> bool:
        return os.name != "posix" or os.geteuid() == 0


def list_pids(proc_root: Path) -> list[int]:
    """The numbers of the processes that `/proc` shows, in order."""
    names = os.listdir(proc_root)  # noqa: PTH208 - names alone, of thousands
    return sorted(int(name) for name in names if name.isdecimal())


@lru_cache(maxsize=256)
def name_user_of(uid: int) -> str:
    """The name of a user of this host, the number of one that has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def read_unless_denied(read: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return read()
    except psutil.Error:
        return otherwise
