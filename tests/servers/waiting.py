"""Waiting for other processes: a condition is polled until a deadline, never slept for."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 0.05


def wait_until(
    condition: Callable[[], object],
    *,
    seconds: float,
    what: str = "the condition",
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Raises: TimeoutError when the condition does not become true in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds:g} s")
        pause.wait(poll_seconds)


def is_process_alive(process_id: int) -> bool:
    """Whether the process exists and is more than a zombie."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
