"""The supervisor's account of itself: a small JSON file, replaced whole at each change."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from apps.operations.supervisor.lock import is_locked

STATUS_NAME = "supervisor.json"
LOCK_NAME = "supervisor.lock"


class ChildState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"  # died; the back-off before its restart is running
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child: times are Unix seconds, `last_exit` is words such as `signal SIGKILL`."""

    name: str
    state: ChildState
    process_id: int | None = None
    restart_count: int = 0
    started_at: float | None = None
    last_exit: str = ""
    last_exit_at: float | None = None


@dataclass(frozen=True, slots=True)
class SupervisorStatus:
    """The supervisor and its children in starting order; `is_running` is checked on reading."""

    process_id: int
    address: str
    children: tuple[ChildStatus, ...]
    messages: tuple[str, ...] = ()
    is_running: bool = False


def write_status(
    var_dir: Path, *, address: str, children: Sequence[ChildStatus], messages: Sequence[str]
) -> None:
    document = {
        "process_id": os.getpid(),
        "address": address,
        "children": [asdict(child) for child in children],
        "messages": list(messages),
    }
    path = var_dir / STATUS_NAME
    new_path = path.with_suffix(".new")
    new_path.write_text(json.dumps(document, indent=2) + "\n")
    new_path.replace(path)


def read_status(var_dir: Path) -> SupervisorStatus | None:
    """What the supervisor of `var_dir` last said; None without a readable status file."""
    try:
        document = json.loads((var_dir / STATUS_NAME).read_text())
        children = tuple(
            ChildStatus(**{**child, "state": ChildState(child["state"])})
            for child in document["children"]
        )
        return SupervisorStatus(
            process_id=document["process_id"],
            address=document["address"],
            children=children,
            messages=tuple(document["messages"]),
            is_running=is_locked(var_dir / LOCK_NAME),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
