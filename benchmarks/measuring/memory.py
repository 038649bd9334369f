"""The memory of process trees, shared pages counted once."""

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 1.0
BYTES_PER_MEGABYTE = 1_000_000


def read_tree_pss_bytes(process_ids: list[int]) -> int:
    """The proportional set size of the processes and all their children together."""
    total = 0
    for process_id in process_ids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(process_id)
            total += sum(read_pss_bytes(one.pid) for one in (root, *root.children(recursive=True)))
    return total


def read_pss_bytes(process_id: int) -> int:
    """0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class PeakMemory:
    """While entered, looks every second how much memory the trees have; `megabytes` is the most."""

    def __init__(self, process_ids: list[int]) -> None:
        self.megabytes = 0.0
        self._process_ids = process_ids
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        megabytes = read_tree_pss_bytes(self._process_ids) / BYTES_PER_MEGABYTE
        self.megabytes = max(self.megabytes, megabytes)
