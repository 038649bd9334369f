"""The model that answers: the champion of a kind and scope, proven, or why there is none."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import structlog

from apps.ml.algorithms.containers import Artifact, hash_features
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import BadModelFile, NoModel
from apps.ml.models import ModelVersion
from apps.ml.selectors.registry import find_champion
from apps.ml.writers.model_files import read_file

Built = TypeVar("Built")

# Models that a process keeps in memory.
MOST_KEPT = 32
# How far back a good one is looked for when the champion's file is bad.
MOST_FORMER = 3

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Champion(Generic[Built]):
    """A model ready to answer. `model` is what the caller's `build` made of the artifact."""

    version: ModelVersion
    artifact: Artifact
    model: Built


class Shelf:
    """Built models by version, digest and builder; and which files were complained about."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[UUID, str, Callable[..., Any]], tuple[Artifact, Any]] = (
            OrderedDict()
        )
        self._refused: set[tuple[UUID, str]] = set()
        self._lock = Lock()

    def take(
        self, version: ModelVersion, build: Callable[[Artifact], Built]
    ) -> tuple[Artifact, Built]:
        """Raises: BadModelFile for a file that is not what its row says, or no such model."""
        key = (version.id, version.digest, build)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("tuple[Artifact, Built]", self._kept[key])
        artifact = read_file(version.id, size_bytes=version.size_bytes, sha256=version.digest)
        try:
            built = artifact, build(artifact)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise BadModelFile(f"it is no model of this kind: {error}") from error
        with self._lock:
            self._kept[key] = built
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return built

    def complain(self, version: ModelVersion, error: BadModelFile) -> None:
        """Log a bad file, once in this process."""
        mark = (version.id, version.digest)
        with self._lock:
            is_new = mark not in self._refused
            self._refused.add(mark)
        if is_new:
            logger.error("model_file_refused", model=str(version), reason=error.detail)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._refused.clear()


# Of this process.
SHELF = Shelf()


def take_champion(
    kind: str,
    scope: Scope,
    *,
    build: Callable[[Artifact], Built],
    features: tuple[str, ...] | None = None,
) -> Champion[Built]:
    """The model that answers for a kind and scope now; one query as long as its file is good.

    `build` makes of the artifact what answers, and proves it sound; it must be a module's function,
    by which the result is remembered. With a champion whose file is bad the last good champion
    before it answers. `features` is the schema of what will be asked.
    Raises: NoModel when there is no champion, no good file, or one of other features. The caller
    then goes by its rules, and says so; nothing is made up.
    """
    champion = find_champion(kind, scope.text)
    if champion is None:
        raise NoModel("Nothing was learned yet that may be used.")
    if features is not None and champion.schema_hash != hash_features(features):
        raise NoModel("The model was learned from other features; it has to be trained anew.")
    try:
        return Champion(champion, *SHELF.take(champion, build))
    except BadModelFile as error:
        SHELF.complain(champion, error)
        return take_former(champion, build)


def take_former(champion: ModelVersion, build: Callable[[Artifact], Built]) -> Champion[Built]:
    """The newest former champion of the same features whose file is good.

    Raises: NoModel.
    """
    former = ModelVersion.objects.filter(
        kind=champion.kind,
        scope=champion.scope,
        state=ModelVersion.State.RETIRED,
        promoted_at__isnull=False,
        schema_hash=champion.schema_hash,
    )
    for version in former.order_by("-promoted_at")[:MOST_FORMER]:
        try:
            return Champion(version, *SHELF.take(version, build))
        except BadModelFile as error:
            SHELF.complain(version, error)
    raise NoModel("The file of the model is bad, and no earlier one is good.")
