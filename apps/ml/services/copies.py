"""Copies of the files of models for backups, and files put back from one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

import structlog

from apps.ml.algorithms.containers import MOST_FILE_BYTES, digest
from apps.ml.errors import BadModelFile
from apps.ml.models import ModelVersion
from apps.ml.writers.model_files import SUFFIX, locate_file, read_content, write_file

# Of all files together: thousands of models are learned anew sooner than copied every night.
MOST_COPIED_BYTES = 1_073_741_824
USED_STATES = (ModelVersion.State.CHAMPION, ModelVersion.State.SHADOW)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copy:
    """A file by its name; without content when it was damaged, gone or one too many."""

    name: str
    content: bytes | None


def list_copied() -> list[ModelVersion]:
    """The models in use, the smallest files first, so that most of them find room."""
    rows = ModelVersion.objects.filter(state__in=USED_STATES)
    return list(rows.order_by("size_bytes", "id"))


def iterate_copies(versions: list[ModelVersion]) -> Iterator[Copy]:
    """The files of these models, each proven by the SHA-256 of its row; at most 1 GiB together."""
    total = 0
    for version in versions:
        name = f"{version.id}{SUFFIX}"
        total += version.size_bytes
        yield Copy(name, read_proven(version) if total <= MOST_COPIED_BYTES else None)


def read_proven(version: ModelVersion) -> bytes | None:
    try:
        content = read_content(locate_file(version.id), version.size_bytes)
    except BadModelFile as error:
        logger.warning("model_not_copied", model=str(version), reason=str(error))
        return None
    if digest(content) != version.digest:
        logger.warning("model_not_copied", model=str(version), reason="its SHA-256 is another")
        return None
    return content


def put_back(name: str, content: bytes) -> None:
    """Store a file under its name in the folder of models; its row proves it before it is used.

    Raises: ValueError for a name or size that no file of a model has, OSError of the disk.
    """
    path = PurePath(name)
    version_id = UUID(path.stem)
    if f"{version_id}{SUFFIX}" != name or len(content) > MOST_FILE_BYTES:
        raise ValueError(f"{name} is no file of a model")
    write_file(version_id, content)
