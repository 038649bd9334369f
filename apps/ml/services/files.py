"""Keeping the folder of model files and their rows in step."""

from datetime import timedelta

import structlog

from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.ml.errors import BadModelFile
from apps.ml.models import ModelVersion, Training
from apps.ml.services.registry import fail_model, prove_file
from apps.ml.writers.model_files import SUFFIX, UNFINISHED_SUFFIX, list_files, remove_files

# Of a kind and scope, besides the champion and the shadow.
KEPT_VERSIONS = 10
KEPT_TRAININGS = timedelta(days=180)
# A file without a row may be one whose row comes in a moment.
ORPHANED_AFTER = timedelta(hours=6)
State = ModelVersion.State

logger = structlog.get_logger(__name__)


def check_model_files() -> int:
    """How many champions were found with a bad file; the last good ones took over."""
    failed = 0
    for champion in ModelVersion.objects.filter(state=State.CHAMPION):
        try:
            prove_file(champion)
        except BadModelFile as error:
            logger.exception("model_failed", model=str(champion))
            failed += replace_failed(champion, error)
    return failed


def replace_failed(champion: ModelVersion, error: BadModelFile) -> bool:
    try:
        fail_model(champion, error)
    except NotFound:
        return False
    return True


def forget_models() -> int:
    """How many versions were removed: those beyond the newest ten of a kind and scope.

    Their files go as well, and files that no row knows; old trainings are forgotten.
    """
    used = [State.CHAMPION, State.SHADOW]
    counts: dict[tuple[str, str], int] = {}
    old = []
    spare = ModelVersion.objects.exclude(state__in=used).order_by("-version")
    for version_id, kind, scope in spare.values_list("id", "kind", "scope"):
        counts[kind, scope] = counts.get((kind, scope), 0) + 1
        if counts[kind, scope] > KEPT_VERSIONS:
            old.append(version_id)
    ModelVersion.objects.filter(id__in=old).exclude(state__in=used).delete()
    settled = Training.objects.exclude(state__in=Training.OPEN)
    settled.filter(created_at__lt=read_now() - KEPT_TRAININGS).delete()
    remove_orphans()
    return len(old)


def remove_orphans() -> None:
    """Remove files that no row knows, once no training can still be about to store theirs."""
    limit = (read_now() - ORPHANED_AFTER).timestamp()
    known = {f"{id}{SUFFIX}" for id in ModelVersion.objects.values_list("id", flat=True)}
    ours = {
        name: changed_at
        for name, changed_at in list_files().items()
        if name.endswith((SUFFIX, UNFINISHED_SUFFIX)) and name not in known
    }
    remove_files([name for name, changed_at in ours.items() if changed_at < limit])
