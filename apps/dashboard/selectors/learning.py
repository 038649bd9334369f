"""How far learning is, for those who wonder why nothing was found yet."""

from dataclasses import dataclass

from apps.accounts.policy import AnyUser
from apps.clients.selectors import list_clients
from apps.ml.algorithms.series import LEARNING_VALUES
from apps.ml.algorithms.stages import LEAST_SHOWN
from apps.ml.models import ModelVersion, SeriesState, SeriesWatch
from apps.ml.selectors.joint import KIND
from apps.ml.selectors.observations import list_judged_results
from apps.tests.selectors import list_assignments

FIVE_MINUTES_OF_AN_HOUR = 12
ASSIGNMENTS_COUNTED = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """Series that are watched and those learnt already; tests with a model of whole results.

    `most_results` are those of the test on a client that has the most without a model.
    """

    watched: int
    learning: int
    learnt: int
    models: int
    most_results: int
    needed_values: int = LEARNING_VALUES
    needed_hours: int = LEARNING_VALUES // FIVE_MINUTES_OF_AN_HOUR
    needed_results: int = LEAST_SHOWN


def describe_learning(user: AnyUser) -> Progress:
    """Of the clients that `user` sees; a handful of queries, for a list without findings only."""
    clients = list_clients(user).order_by().prefetch_related(None).select_related(None).values("id")
    states = SeriesState.objects.filter(source__client__in=clients)
    champions = ModelVersion.objects.filter(
        kind=KIND, state=ModelVersion.State.CHAMPION, client__in=clients
    )
    return Progress(
        watched=SeriesWatch.objects.filter(is_watched=True, source__client__in=clients).count(),
        learning=states.filter(values_count__lt=LEARNING_VALUES).count(),
        learnt=states.filter(values_count__gte=LEARNING_VALUES).count(),
        models=champions.count(),
        most_results=count_most_results(user),
    )


def count_most_results(user: AnyUser) -> int:
    """The results of the test on a client that has most, of the oldest few; up to those needed."""
    rows = list_assignments(user).select_related(None).filter(last_run_at__isnull=False)
    oldest = rows.order_by("created_at", "id").values_list("id", flat=True)[:ASSIGNMENTS_COUNTED]
    results = list_judged_results().order_by()
    return max(
        (results.filter(run__assignment=one)[:LEAST_SHOWN].count() for one in oldest), default=0
    )
