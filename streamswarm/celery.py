"""Celery carries hints only: the truth is in the database, a lost or doubled task does no harm."""

import os
import warnings
from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.app.amqp import AMQP
from celery.platforms import SecurityWarning
from celery.signals import setup_logging
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.transport import redis
from redis.exceptions import ConnectionError  # noqa: A004 - what kombu takes for a lost connection

from apps.jobs.queues import WAKE_QUEUES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamswarm.settings")

logger = structlog.get_logger(__name__)

FIRST_LOOK_EXPIRES_SECONDS = 30.0

# It warns root because of pickle, which this configuration does not accept.
warnings.filterwarnings("ignore", category=SecurityWarning)


class LoyalChannel(redis.Channel):
    """A channel that says of its lost connection what Celery expects to hear of one.

    A task that was under way when Redis went acknowledges its message on the channel it came from;
    kombu 5.7 then asks the connection that is no more, and the AttributeError ends the worker. The
    message comes back after the visibility timeout anyway.
    """

    def _connparams(self, *args: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the connection of this channel is closed")
        return super()._connparams(*args, **options)  # type: ignore[no-untyped-call]  # kombu has no types here


class LoyalTransport(redis.Transport):
    Channel = LoyalChannel


class SteadyConnection(Connection):
    """A connection that looks for its broker every second, however long it was away.

    Kombu's own pause grows to half a minute, in which nothing would be done after Redis is back.
    """

    def get_transport_cls(self) -> Any:
        found = super().get_transport_cls()  # type: ignore[no-untyped-call]  # kombu has no types here
        return LoyalTransport if found is redis.Transport else found

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        pauses = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 1}
        return super().ensure_connection(*args, **{**pauses, **options})  # type: ignore[no-untyped-call]  # kombu has no types here


class Broker(AMQP):  # type: ignore[misc]  # celery ships no types
    Connection = SteadyConnection


class FirstLook(bootsteps.StartStopStep):  # type: ignore[misc]  # celery ships no types
    """A worker that begins to consume, after an absence of Redis too, looks for due jobs at once.

    Their hints were lost meanwhile. So is what beat sends to an emptied Redis before this worker
    has declared its queues there; beat's next period alone would come two of them late.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        try:
            # Another try would mend the consumer's connection behind its back.
            consumer.app.send_task(
                WAKE_QUEUES,
                connection=consumer.connection,
                retry=False,
                expires=FIRST_LOOK_EXPIRES_SECONDS,
            )
        except (OperationalError, OSError) as error:
            # The consumer meets the loss as well, and begins anew.
            logger.warning("first_look_failed", reason=str(error))


application = Celery("streamswarm", amqp=Broker)
application.config_from_object("django.conf:settings", namespace="CELERY")
application.autodiscover_tasks()
# A task's lines carry the id of the request that started it.
application.steps["worker"].add(DjangoStructLogInitStep)
application.steps["consumer"].add(FirstLook)


@setup_logging.connect  # type: ignore[untyped-decorator]  # celery ships no types
def keep_django_logging(**_options: object) -> None:
    """Celery leaves the logging that Django has set up."""
