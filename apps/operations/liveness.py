"""Whether scheduled work really flows: beat queues a task, a worker leaves a mark."""

import time
from pathlib import Path

MARK_NAME = "worker_alive"


def note_worker(var_dir: Path) -> None:
    (var_dir / MARK_NAME).touch()


def read_worker_age_seconds(var_dir: Path) -> float | None:
    """Seconds since a worker last did scheduled work; None when it never did."""
    try:
        marked_at = (var_dir / MARK_NAME).stat().st_mtime
    except FileNotFoundError:
        return None
    return max(0.0, time.time() - marked_at)
