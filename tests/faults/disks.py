"""Small disks of a test's own (tmpfs), that can be filled, freed and made read-only."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDS_ROOT = "only root can mount a small disk to fill"
CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SmallDisk:
    folder: Path

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Leaves no byte to anybody."""
        with self.filler.open("ab", buffering=0) as file:
            size = CHUNK_BYTES
            while size:
                try:
                    file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)

    @contextmanager
    def be_read_only(self) -> Iterator[None]:
        """While the block runs nobody, root included, can write anything."""
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)


@contextmanager
def mount_disk(megabytes: int) -> Iterator[SmallDisk]:
    """An empty disk of that size; its path is short enough for unix sockets below it.

    Raises: PermissionError when this user may mount nothing.
    """
    if os.geteuid() != 0:
        raise PermissionError(NEEDS_ROOT)
    with tempfile.TemporaryDirectory(prefix="swarm-disk-") as folder:
        options = f"size={megabytes}m,mode=755"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            raise PermissionError(f"{NEEDS_ROOT}: {mounted.stderr.strip()}")
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
