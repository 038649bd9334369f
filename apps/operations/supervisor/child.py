import math
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")

Gate = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a running child, and how long it may leave it unanswered.

    Unanswered questions are counted, not seconds: a supervisor that was itself stopped or starved
    for a while has asked nothing in that time, and holds it against nobody.
    """

    is_alive: Gate
    patience_seconds: float
    interval_seconds: float = 5.0

    @property
    def most_misses(self) -> int:
        return math.ceil(self.patience_seconds / self.interval_seconds)


@dataclass(frozen=True, slots=True)
class Child:
    """A program to keep running, and how to tell that it does its work."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    is_ready: Gate | None = None
    ready_timeout_seconds: float = 60.0
    # Asked while it runs; a child that leaves it unanswered is killed and started again.
    probe: Probe | None = None
    # For a secret: arguments and environments of a process can be read by others.
    standard_input: str = field(default="", repr=False)


def build_launch_argv(child: Child) -> tuple[str, ...]:
    """The command that starts `child` so that it dies with the process that calls this."""
    return (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *child.argv)


def describe_exit(return_code: int) -> str:
    """A return code as `subprocess` gives it, in words: `exit code 1` or `signal SIGKILL`."""
    if return_code >= 0:
        return f"exit code {return_code}"
    try:
        return f"signal {signal.Signals(-return_code).name}"
    except ValueError:
        return f"signal {-return_code}"


def signal_group(process_id: int, signal_number: int) -> None:
    """Signals a child and everything it started; nothing happens when all of it is gone."""
    try:
        os.killpg(process_id, signal_number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of which only zombies are left.
        return
