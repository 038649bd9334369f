"""What a test's paths are asked for."""

from dataclasses import asdict

from apps.accounts.services import audited, record_audit
from apps.core.clock import EPOCH
from apps.core.errors import FieldError, Invalid
from apps.ml.algorithms.health import AVAILABILITY_AT_NOUGHT
from apps.ml.models import HealthGoal, HealthScore
from apps.ml.selectors.goals import GoalChange, take_values
from apps.tests.models import Test

MOST_SECONDS = 60.0


def list_faults(change: GoalChange) -> list[FieldError]:
    faults = []
    if not AVAILABILITY_AT_NOUGHT < change.availability_goal_ratio <= 1:
        detail = f"must be above {AVAILABILITY_AT_NOUGHT:g} and at most 1"
        faults.append(FieldError("availability_goal_ratio", "out_of_range", detail))
    for name in ("latency", "jitter"):
        good, bad = getattr(change, f"{name}_good_seconds"), getattr(change, f"{name}_bad_seconds")
        if not 0 < good < MOST_SECONDS:
            detail = f"must be above 0 and below {MOST_SECONDS:g} s"
            faults.append(FieldError(f"{name}_good_seconds", "out_of_range", detail))
        if not good < bad <= MOST_SECONDS:
            detail = f"must be above the good {name} and at most {MOST_SECONDS:g} s"
            faults.append(FieldError(f"{name}_bad_seconds", "out_of_range", detail))
    rate = change.throughput_bits_per_second
    if rate is not None and not 0 < rate < float("inf"):
        faults.append(FieldError("throughput_bits_per_second", "out_of_range", "must be above 0"))
    return faults


@audited()
def set_goal(test: Test, change: GoalChange) -> HealthGoal:
    """Ask that of the test's paths from now on; its scores follow within minutes.

    Raises: Invalid, naming each field that is out of its range.
    """
    faults = list_faults(change)
    if faults:
        raise Invalid(faults)
    before = HealthGoal.objects.filter(test=test).first()
    goal, _made = HealthGoal.objects.update_or_create(test=test, defaults=asdict(change))
    record_audit(
        action="change",
        target=goal,
        before=asdict(take_values(before)) if before is not None else None,
        after=asdict(change),
    )
    forget_scores(test)
    return goal


@audited()
def clear_goal(test: Test) -> None:
    """Ask what is usual for its kind again."""
    goal = HealthGoal.objects.filter(test=test).first()
    if goal is not None:
        record_audit(action="delete", target=goal, before=asdict(take_values(goal)))
        goal.delete()
        forget_scores(test)


def forget_scores(test: Test) -> None:
    """Have them computed at the next look."""
    HealthScore.objects.filter(assignment__test=test).update(computed_at=EPOCH)
