"""What the paths of tests are asked for."""

from dataclasses import asdict, dataclass

from apps.ml.algorithms.health import HealthProfile
from apps.ml.algorithms.health_inputs import find_inputs
from apps.ml.models import HealthGoal
from apps.tests.models import Test


@dataclass(frozen=True, slots=True)
class GoalChange:
    """Ratios and seconds; the throughput in bit/s, None for the client's own median."""

    availability_goal_ratio: float
    latency_good_seconds: float
    latency_bad_seconds: float
    jitter_good_seconds: float
    jitter_bad_seconds: float
    throughput_bits_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class AskedGoal:
    """What a test's paths are asked for, and whether that is its own or usual for its kind."""

    values: GoalChange
    is_own: bool


def read_goal(test: Test) -> AskedGoal:
    """What that test, which the caller may see, is measured by."""
    row = HealthGoal.objects.filter(test=test).first()
    if row is not None:
        return AskedGoal(take_values(row), is_own=True)
    return AskedGoal(suggest_goal(find_inputs(test.kind).profile), is_own=False)


def take_values(goal: HealthGoal) -> GoalChange:
    return GoalChange(**{name: getattr(goal, name) for name in GoalChange.__dataclass_fields__})


def suggest_goal(profile: HealthProfile) -> GoalChange:
    """A profile as a form begins with it: the throughput is the client's own median."""
    return GoalChange(**asdict(profile))
