"""A host's clock that a test may set, while the program that reads it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libfaketimeMT.so.1"
MISSING = "no libfaketime on this machine (Debian: apt-get install faketime)"
# How soon a program sees that its clock was set.
CACHE_SECONDS = 1


def find_library() -> Path | None:
    """The absolute path of the library; None when it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"))), None)


@dataclass(frozen=True, slots=True)
class HostClock:
    """The clock of a host; programs started with `environment` read it, their monotonic one is
    the true one.
    """

    file: Path
    library: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """From now on the clock is that much ahead of the true time."""
        new_file = self.file.with_suffix(".new")
        new_file.write_text(f"{seconds:+d}\n")
        new_file.replace(self.file)


def make_clock(file: Path) -> HostClock | None:
    """A clock that is right so far; None on a machine without the library."""
    library = find_library()
    if library is None:
        return None
    clock = HostClock(file, library)
    clock.step(0)
    return clock
