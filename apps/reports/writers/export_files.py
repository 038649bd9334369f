"""The folder of export files in the var folder, which web and workers share.

A file grows in turns under another name, and gets its own when all of it is on the disk.
"""

import fcntl
import hashlib
import os
from collections.abc import Collection
from io import BufferedRandom
from pathlib import Path
from typing import Self
from uuid import UUID

from django.conf import settings

SUFFIX = ".export"
UNFINISHED_SUFFIX = ".part"


def find_folder() -> Path:
    return Path(settings.VAR_DIR) / "exports"


def locate_file(export_id: UUID) -> Path:
    return find_folder() / f"{export_id}{SUFFIX}"


def locate_unfinished(export_id: UUID) -> Path:
    return locate_file(export_id).with_suffix(UNFINISHED_SUFFIX)


class GrowingFile:
    """The unfinished file of an export, which nobody else writes to as long as this one is open.

    A writer that hangs keeps its lock, and what it still writes when it wakes goes into the file
    that it locked. Nobody need wait for that: another file may get the name.
    """

    def __init__(self, export_id: UUID, file: BufferedRandom) -> None:
        self._path, self._final = locate_unfinished(export_id), locate_file(export_id)
        self._file = file

    @classmethod
    def open(cls, export_id: UUID) -> Self | None:
        """The file as the last writer left it, or an empty one; None while another one has it."""
        find_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open_locked(locate_unfinished(export_id))
        return None if file is None else cls(export_id, file)

    def holds(self, sound_bytes: int) -> bool:
        """Whether so much is there; one that was lost would be filled up with zeros."""
        return self._file.seek(0, os.SEEK_END) >= sound_bytes

    def cut(self, sound_bytes: int) -> None:
        """Go on behind what is known to be sound."""
        self._file.truncate(sound_bytes)
        self._file.seek(0, os.SEEK_END)

    @property
    def size_bytes(self) -> int:
        return self._file.tell()

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def keep(self) -> None:
        """What was written so far outlives a crash."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def digest(self) -> str:
        """The SHA-256 of what is on the disk."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def finish(self) -> None:
        """The file, which is whole and kept, gets its name."""
        self._path.replace(self._final)
        folder = os.open(self._final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        self._file.close()


def open_locked(path: Path) -> BufferedRandom | None:
    """The file of that name, made if need be and locked until it is closed; None if it is taken."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    file = os.fdopen(os.open(path, flags, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def remove_files(export_id: UUID) -> None:
    """Remove what there is of an export."""
    locate_file(export_id).unlink(missing_ok=True)
    remove_unfinished(export_id)


def remove_unfinished(export_id: UUID) -> None:
    """Its name is free; a writer that has it open goes on with what nobody else sees."""
    locate_unfinished(export_id).unlink(missing_ok=True)


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
