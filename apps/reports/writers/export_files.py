"""The folder of export files in the var folder, which web and workers share.

A file grows in turns under another name, and gets its own when all of it is on the disk.
"""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

from django.conf import settings

SUFFIX = ".export"
UNFINISHED_SUFFIX = ".part"


def find_folder() -> Path:
    return Path(settings.VAR_DIR) / "exports"


def locate_file(export_id: UUID) -> Path:
    return find_folder() / f"{export_id}{SUFFIX}"


class GrowingFile:
    """The unfinished file of an export, cut back to the length that is known to be sound."""

    def __init__(self, export_id: UUID, sound_bytes: int) -> None:
        self._path = locate_file(export_id).with_suffix(UNFINISHED_SUFFIX)
        self._final = locate_file(export_id)
        find_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self._path, flags, 0o600), "r+b")
        # A file that is gone, as after a move to another host, would be filled up with zeros.
        self.is_whole = self._file.seek(0, os.SEEK_END) >= sound_bytes
        self._file.truncate(sound_bytes if self.is_whole else 0)
        self._file.seek(0, os.SEEK_END)

    def empty(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    @property
    def size_bytes(self) -> int:
        return self._file.tell()

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def keep(self) -> None:
        """What was written so far outlives a crash."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> str:
        """The SHA-256 of the file, which is whole and has its name now."""
        self.keep()
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._path.replace(self._final)
        folder = os.open(self._final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return digest

    def close(self) -> None:
        self._file.close()


def remove_files(export_id: UUID) -> None:
    """Remove what there is of an export."""
    path = locate_file(export_id)
    path.unlink(missing_ok=True)
    path.with_suffix(UNFINISHED_SUFFIX).unlink(missing_ok=True)


def list_sizes() -> dict[str, int]:
    """The bytes of each file of the folder, by name."""
    found = {}
    for path in find_folder().glob("*"):
        try:
            found[path.name] = path.lstat().st_size
        except FileNotFoundError:
            # Another process removed it meanwhile.
            continue
    return found


def measure_folder_bytes() -> int:
    return sum(list_sizes().values())


def remove_orphans(known: Collection[UUID], *, older_than_seconds: float, now: float) -> int:
    """How many old files of no known export were removed."""
    names = {
        f"{export_id}{suffix}" for export_id in known for suffix in (SUFFIX, UNFINISHED_SUFFIX)
    }
    count = 0
    for path in find_folder().glob("*"):
        try:
            is_old = now - path.lstat().st_mtime > older_than_seconds
        except FileNotFoundError:
            continue
        if path.name not in names and is_old:
            path.unlink(missing_ok=True)
            count += 1
    return count
