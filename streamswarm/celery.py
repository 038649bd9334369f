"""Celery carries hints only: the truth is in the database, a lost or doubled task does no harm."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamswarm.settings")

# It warns root because of pickle, which this configuration does not accept.
warnings.filterwarnings("ignore", category=SecurityWarning)

application = Celery("streamswarm")
application.config_from_object("django.conf:settings", namespace="CELERY")
application.autodiscover_tasks()
# A task's lines carry the id of the request that started it.
application.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect  # type: ignore[untyped-decorator]  # celery ships no types
def keep_django_logging(**_options: object) -> None:
    """Celery leaves the logging that Django has set up."""
