"""The background work of this room."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind
from apps.ml.services.forecasting import MAKE_FORECASTS, run_forecasts

JOBS: Mapping[str, JobKind] = {
    MAKE_FORECASTS: JobKind(
        title=_("Make forecasts"), handler=run_forecasts, queue=Queue.ML, time_limit_seconds=120.0
    ),
}
