"""Which version is the champion: promoted, rolled back, retired. Serving follows at once."""

from typing import Any

from django.db.models import Max

from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.ml.errors import BadModelFile
from apps.ml.models import ModelVersion
from apps.ml.published import ModelChanged
from apps.ml.selectors.registry import find_champion, find_predecessor
from apps.ml.writers.model_files import read_file

State = ModelVersion.State


@audited()
def promote_model(*, version: ModelVersion, reason: str = "") -> ModelVersion:
    """The version as champion of its kind and scope; who was it before is retired.

    Raises: NotFound, Conflict for the champion itself, BadModelFile when its file is bad.
    """
    locked = lock_version(version)
    if locked.state == State.CHAMPION:
        raise Conflict("model_is_champion", "It is the champion already.")
    prove_file(locked)
    return crown(locked, action="promote", reason=reason)


@audited()
def roll_back_model(*, champion: ModelVersion, reason: str = "") -> ModelVersion:
    """The champion before that one, champion again.

    Raises: NotFound, Conflict when the version is no champion or was the first one, BadModelFile
    when the file of the earlier one is bad.
    """
    locked = lock_version(champion)
    if locked.state != State.CHAMPION:
        raise Conflict("model_not_champion", "Only the champion can be rolled back.")
    earlier = find_predecessor(locked)
    if earlier is None:
        raise Conflict("model_is_first", "There is no earlier champion.")
    earlier = lock_version(earlier)
    prove_file(earlier)
    return crown(earlier, action="roll back", reason=reason)


@audited()
def retire_model(*, version: ModelVersion, reason: str = "") -> ModelVersion:
    """The version, used no more; without a champion the rules decide.

    Raises: NotFound, Conflict when it is not in use.
    """
    locked = lock_version(version)
    if locked.state in {State.RETIRED, State.FAILED}:
        raise Conflict("model_retired", "It is not in use.")
    return set_aside(locked, State.RETIRED, action="retire", reason=reason)


def crown(version: ModelVersion, *, action: str, reason: str) -> ModelVersion:
    """The locked version as champion, written down."""
    champion = find_champion(version.kind, version.scope)
    before = {"champion": champion.version if champion else None, "state": version.state}
    if champion is not None:
        ModelVersion.objects.filter(id=champion.id).update(state=State.RETIRED)
    version.state, version.promoted_at, version.defeats = State.CHAMPION, read_now(), 0
    version.decision = shorten(reason or version.decision)
    version.save(update_fields=["state", "promoted_at", "defeats", "decision"])
    after = {"champion": version.version, "state": version.state, "reason": reason}
    record_audit(action=action, target=version, before=before, after=after)
    publish(ModelChanged(version.id))
    return version


def set_aside(version: ModelVersion, state: State, *, action: str, reason: str) -> ModelVersion:
    """The locked version in a state in which it is not used, written down."""
    before = {"state": version.state}
    version.state = state
    version.decision = shorten(reason or version.decision)
    version.save(update_fields=["state", "decision"])
    after = {"state": version.state, "reason": reason}
    record_audit(action=action, target=version, before=before, after=after)
    publish(ModelChanged(version.id))
    return version


def lock_version(version: ModelVersion) -> ModelVersion:
    """Raises: NotFound."""
    locked = ModelVersion.objects.select_for_update().filter(id=version.id).first()
    if locked is None:
        raise NotFound("model_unknown", "There is no such model.")
    return locked


def prove_file(version: ModelVersion) -> None:
    """Raises: BadModelFile."""
    read_file(version.id, size_bytes=version.size_bytes, sha256=version.digest)


def fail_model(version: ModelVersion, error: BadModelFile) -> ModelVersion | None:
    """The champion that takes over from one whose file is bad; None when the rules do."""
    with audited():
        locked = lock_version(version)
        was_champion = locked.state == State.CHAMPION
        set_aside(locked, State.FAILED, action="fail", reason=error.detail)
        return restore_good(locked) if was_champion else None


def restore_good(failed: ModelVersion) -> ModelVersion | None:
    while (earlier := find_predecessor(failed)) is not None:
        locked = lock_version(earlier)
        try:
            prove_file(locked)
        except BadModelFile as error:
            set_aside(locked, State.FAILED, action="fail", reason=error.detail)
            continue
        reason = f"Version {failed.version} failed; this was the last good one."
        return crown(locked, action="restore", reason=reason)
    return None


def find_next_version(kind: str, scope: str) -> int:
    versions = ModelVersion.objects.filter(kind=kind, scope=scope)
    newest: int | None = versions.aggregate(newest=Max("version"))["newest"]
    return (newest or 0) + 1


def shorten(text: str) -> str:
    longest: Any = ModelVersion._meta.get_field("decision").max_length  # noqa: SLF001 - documented API
    return text[:longest]
