"""Whether the database's disk is full: met by one process, known to all of this machine.

The database cannot be asked to remember that it cannot write. A small file in the var folder is
made while there still is room and afterwards only overwritten in place, which takes no room; a file
system that copies on write may refuse even that, and then each process knows what it met itself.
"""

import json
import os
import shutil
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings

from apps.core.clock import read_now
from apps.core.errors import StorageFull

logger = structlog.get_logger(__name__)

FILE_NAME = "storage_state"
FILE_BYTES = 1024
DETAIL_LENGTH = 200
RETRY_AFTER_SECONDS = 60
# Near the edge a small write still finds room where the next large one does not.
SETTLING = timedelta(seconds=5)
# Agents come back within minutes; what nobody has met since then is over.
LONGEST_SILENCE = timedelta(minutes=10)
LEAST_FOR_PEOPLE_MEGABYTES = 8
BYTES_PER_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class StorageFault:
    """Since when uploads are refused, why, and whether people's changes still find room."""

    since_at: datetime
    detail: str
    is_reserve: bool = False

    @property
    def name(self) -> str:
        return "reserve" if self.is_reserve else "full"


@dataclass(frozen=True, slots=True)
class Note:
    """A fault as it is written down, with when it was met last."""

    fault: StorageFault
    last_at: datetime


class StorageState:
    """The state as this process knows it; one instance a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # What was met here and could not be filed.
        self._unfiled: Note | None = None

    def note(self, detail: str, *, is_reserve: bool, path: Path) -> None:
        now = read_now()
        with self._lock:
            known = self._read(path)
            since_at = known.fault.since_at if known else now
            fault = StorageFault(since_at, detail[:DETAIL_LENGTH], is_reserve)
            note = Note(fault, now)
            self._unfiled = None if write_note(path, note) else note
        if known is None:
            logger.error("storage_full", reason=detail)

    def clear(self, path: Path) -> None:
        with self._lock:
            known = self._read(path)
            if known is None or read_now() - known.last_at < SETTLING:
                return
            self._unfiled = None
            write_note(path, None)
        logger.warning("storage_has_room_again", since=known.fault.since_at.isoformat())

    def read(self, path: Path) -> StorageFault | None:
        known = self._read(path)
        return known.fault if known else None

    def forget(self, path: Path) -> None:
        with self._lock:
            self._unfiled = None
            write_note(path, None)

    def _read(self, path: Path) -> Note | None:
        note = self._unfiled or read_note(path)
        if note is None or read_now() - note.last_at > LONGEST_SILENCE:
            return None
        return note


STATE = StorageState()


def note_storage_fault(detail: str, *, is_reserve: bool = False) -> None:
    """Remember that a write found no room; `detail` is a sentence for people, without paths."""
    STATE.note(detail, is_reserve=is_reserve, path=find_file())


def clear_storage_fault() -> None:
    """A write found room: the fault is over once nothing has met it for 5 seconds."""
    STATE.clear(find_file())


def read_storage_fault() -> StorageFault | None:
    """The fault that stands; None when the last writes found room, or nobody met one lately."""
    return STATE.read(find_file())


def name_storage_state() -> str:
    """In a word for programs: full, reserve while only people's changes find room, else empty."""
    fault = read_storage_fault()
    return fault.name if fault else ""


def forget_storage_fault() -> None:
    """Begin anew, as after an installation."""
    STATE.forget(find_file())


def refuse_without_reserve() -> None:
    """Keep a reserve on the volume of a database file, so that its log never meets the end.

    Raises: StorageFull with less free than SWARM_LEAST_FREE_MEGABYTES. A database server's volume
    cannot be seen from here: it says itself when it is full.
    """
    if not settings.IS_SQLITE or not settings.SWARM_LEAST_FREE_MEGABYTES:
        return
    name = str(settings.DATABASES["default"]["NAME"])
    free_megabytes = measure_free_megabytes(Path(name).parent)
    least_megabytes = settings.SWARM_LEAST_FREE_MEGABYTES
    if free_megabytes is None or free_megabytes >= least_megabytes:
        return
    detail = (
        f"{free_megabytes:.0f} MB are free on the disk of the database, "
        f"less than the {least_megabytes} MB that are kept in reserve."
    )
    note_storage_fault(detail, is_reserve=free_megabytes >= LEAST_FOR_PEOPLE_MEGABYTES)
    raise StorageFull(
        "storage_full",
        f"{detail} Nothing of this was stored.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def measure_free_megabytes(folder: Path) -> float | None:
    """What programs may still write there; None when it cannot be seen."""
    try:
        return shutil.disk_usage(folder).free / BYTES_PER_MEGABYTE
    except OSError:
        return None


def find_file() -> Path:
    return Path(settings.VAR_DIR) / FILE_NAME


def read_note(path: Path) -> Note | None:
    """What the file says; makes the file when it is not there, while there is room for it."""
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        write_note(path, None)
        return None
    except OSError:
        return None
    if not text:
        return None
    try:
        row = json.loads(text)
        since_at, last_at = (datetime.fromisoformat(row[name]) for name in ("since_at", "last_at"))
        return Note(StorageFault(since_at, row["detail"], row["is_reserve"]), last_at)
    except (ValueError, KeyError, TypeError):
        return None


def write_note(path: Path, note: Note | None) -> bool:
    """Whether the file now says so; it always has the same length."""
    row = None
    if note is not None:
        row = {
            "since_at": note.fault.since_at.isoformat(),
            "last_at": note.last_at.isoformat(),
            "detail": note.fault.detail,
            "is_reserve": note.fault.is_reserve,
        }
    text = b"" if row is None else json.dumps(row).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            return os.pwrite(descriptor, text.ljust(FILE_BYTES), 0) == FILE_BYTES
        finally:
            os.close(descriptor)
    except OSError:
        return False
