"""The folder of model files, which web and workers share.

A file gets its name when all of it is on the disk; its row comes after that. What is read is proven
by the digest of its row before anything of it is looked at.
"""

import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

from django.conf import settings

from apps.ml.algorithms.containers import MOST_FILE_BYTES, Artifact, digest, unpack
from apps.ml.errors import BadModelFile

SUFFIX = ".npz"
UNFINISHED_SUFFIX = ".part"


def locate_file(version_id: UUID) -> Path:
    folder: Path = settings.ML_MODELS_DIR
    return folder / f"{version_id}{SUFFIX}"


def write_file(version_id: UUID, content: bytes) -> None:
    """Store the file of a version, all of it or nothing, durably.

    Raises: OSError when the disk does not take it.
    """
    path = locate_file(version_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(UNFINISHED_SUFFIX)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_file(version_id: UUID, *, size_bytes: int, sha256: str) -> Artifact:
    """The model of that version, whose size and digest its row says.

    Raises: BadModelFile when the file is missing, another one, or none that we write.
    """
    content = read_content(locate_file(version_id), size_bytes)
    if digest(content) != sha256:
        raise BadModelFile("its SHA-256 is not the one that was stored")
    return unpack(content)


def read_content(path: Path, size_bytes: int) -> bytes:
    """As many bytes as the file should have, never more."""
    try:
        # A pipe in the place of the file must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(min(size_bytes, MOST_FILE_BYTES) + 1)
    except OSError as error:
        raise BadModelFile(f"it cannot be opened: {error.strerror}") from error
    if content is None or len(content) != size_bytes:
        raise BadModelFile(f"it does not have the {size_bytes} bytes that were stored")
    return content


def list_files() -> dict[str, float]:
    """When each file of the folder was last changed, by name, in seconds since 1970."""
    folder: Path = settings.ML_MODELS_DIR
    found = {}
    for path in folder.glob("*"):
        try:
            found[path.name] = path.lstat().st_mtime
        except FileNotFoundError:
            # Another process removed it meanwhile.
            continue
    return found


def remove_files(names: Collection[str]) -> None:
    folder: Path = settings.ML_MODELS_DIR
    for name in names:
        (folder / name).unlink(missing_ok=True)
