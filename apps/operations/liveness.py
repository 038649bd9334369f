"""Whether programs still do their work, by the marks that they leave in the var folder.

Beat queues a task and a worker leaves `worker_alive`: scheduled work flows. Besides, each worker
sends a no-op through its own queue, and beat marks its ticks: those of a program that hangs stop.
"""

import re
import time
from pathlib import Path

MARK_NAME = "worker_alive"
FOLDER_NAME = "pulse"
BEAT_NAME = "beat"
WORKER_NAME = "worker"
UNSAFE_PATTERN = re.compile(r"[^A-Za-z0-9_-]")


def note_worker(var_dir: Path) -> None:
    (var_dir / MARK_NAME).touch()


def read_worker_age_seconds(var_dir: Path) -> float | None:
    """Seconds since a worker last did scheduled work; None when it never did."""
    return read_age_seconds(var_dir / MARK_NAME)


def locate_mark(var_dir: Path, name: str) -> Path:
    """The mark of a program: beat, or a worker by the part of its name before the `@`."""
    return var_dir / FOLDER_NAME / UNSAFE_PATTERN.sub("_", name.partition("@")[0])


def leave_mark(var_dir: Path, name: str) -> None:
    path = locate_mark(var_dir, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch()


def read_mark_age_seconds(var_dir: Path, name: str) -> float | None:
    """Seconds since the program last left its mark; None when it never did."""
    return read_age_seconds(locate_mark(var_dir, name))


def read_age_seconds(path: Path) -> float | None:
    try:
        marked_at = path.stat().st_mtime
    except FileNotFoundError:
        return None
    return max(0.0, time.time() - marked_at)
