"""Debian's packages, unpacked into a folder of the benchmark; nothing is installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
DOWNLOAD_SECONDS = 120


class PeerMissingError(RuntimeError):
    """A system that cannot be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was in the packages; `environment` lets a program find their libraries."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(self.root / LIBRARIES)}

    def find_program(self, path: str) -> Path:
        """Raises: PeerMissingError naming the libraries that the program misses."""
        program = self.root / path
        seen = subprocess.run(
            ["ldd", program], env=self.environment, capture_output=True, text=True, check=False
        )
        missing = [line.split()[0] for line in seen.stdout.splitlines() if "not found" in line]
        if missing:
            raise PeerMissingError(f"{program.name} misses {', '.join(missing)}")
        return program


def unpack(packages: Sequence[str], folder: Path) -> Unpacked:
    """Download the packages into the folder and unpack them there.

    Raises: PeerMissingError on a machine without apt, or whose sources do not have them.
    """
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise PeerMissingError(f"no {tool} on this machine")
    archives = folder / "archives"
    archives.mkdir()
    root = folder / "root"
    for package in packages:
        try:
            call(["apt-get", "download", "-qq", package], archives)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise PeerMissingError(f"apt-get cannot download {package}") from error
    for archive in sorted(archives.glob("*.deb")):
        call(["dpkg", "-x", str(archive), str(root)], folder)
    return Unpacked(root)


def call(argv: Sequence[str], folder: Path) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)
