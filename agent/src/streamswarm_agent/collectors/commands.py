"""Programs of the host that know what no file says: iw, tc, ethtool, smartctl, ipmitool."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

TIMEOUT_SECONDS = 15.0
SEARCH_PATH = os.pathsep.join(("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"))
REFUSALS = ("permission denied", "operation not permitted", "must be root", "not authorized")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said, and whether it ended well."""

    text: str
    is_good: bool = True
    complaint: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the system did not allow what the program tried."""
        said = f"{self.complaint}\n{self.text}".lower()
        return not self.is_good and any(words in said for words in REFUSALS)


RunCommand = Callable[[Sequence[str]], Answer | None]
"""Runs a program by its name; None when the host does not have it."""


def find_program(name: str) -> str | None:
    """The program's path in the system's own folders, whatever the agent's PATH is."""
    return shutil.which(name, path=SEARCH_PATH)


def run_command(arguments: Sequence[str]) -> Answer | None:
    """Run a program without a shell and without input, in English, for at most 15 s."""
    program = find_program(arguments[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system's folders, no shell
            [program, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env={"LC_ALL": "C", "PATH": SEARCH_PATH},
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Answer("", is_good=False, complaint=str(error))
    return Answer(done.stdout, is_good=done.returncode == 0, complaint=done.stderr)


class PacedRead(Generic[Value]):
    """A read that is too dear for each pass: what it gave is kept for a while."""

    def __init__(
        self,
        read: Callable[[], Value],
        interval_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._kept: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        """What was read at most `interval_seconds` ago."""
        now = self._monotonic()
        if self._kept is None or now - self._kept[0] >= self._interval_seconds:
            self._kept = (now, self._read())
        return self._kept[1]
