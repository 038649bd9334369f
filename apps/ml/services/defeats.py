"""A champion that the dumb baseline beats again and again is used no more."""

from apps.ml.algorithms.gate import MOST_LOSSES, Evaluation, is_beaten
from apps.ml.models import ModelVersion
from apps.ml.services.registry import lock_version, set_aside


def count_defeat(champion: ModelVersion, evaluation: Evaluation) -> ModelVersion | None:
    """The champion after one more evaluation; None when it has lost three in a row.

    It then is retired, and the rules decide until a model is promoted again. Within the caller's
    audited transaction.
    """
    locked = lock_version(champion)
    locked.defeats = locked.defeats + 1 if is_beaten(evaluation) else 0
    locked.save(update_fields=["defeats"])
    if locked.defeats < MOST_LOSSES:
        return locked
    reason = f"The baseline was better in {locked.defeats} evaluations in a row."
    set_aside(locked, ModelVersion.State.RETIRED, action="disable", reason=reason)
    return None
