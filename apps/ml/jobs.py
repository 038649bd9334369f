"""The background work of this room."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind
from apps.ml.services.forecasting import MAKE_FORECASTS, run_forecasts
from apps.ml.services.reviewing import REVIEW_MODELS, review_models
from apps.ml.services.training import train_model
from apps.ml.services.trainings import TRAIN_MODEL

JOBS: Mapping[str, JobKind] = {
    TRAIN_MODEL: JobKind(
        title=_("Train a model"),
        handler=train_model,
        queue=Queue.ML,
        most_attempts=2,
        time_limit_seconds=600.0,
    ),
    REVIEW_MODELS: JobKind(
        title=_("Look again at the models in use"),
        handler=review_models,
        queue=Queue.ML,
        most_attempts=2,
    ),
    MAKE_FORECASTS: JobKind(
        title=_("Make forecasts"), handler=run_forecasts, queue=Queue.ML, time_limit_seconds=120.0
    ),
}
