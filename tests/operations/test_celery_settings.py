"""Celery carries hints: no delays, no results, bounded waits, known queues."""

import ast
import logging
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from celery import current_app
from django.conf import settings
from kombu import Connection

from apps.jobs.queues import RUN_JOBS, WAKE_QUEUES, Queue, route_task
from apps.jobs.tasks import run_jobs, wake_queues
from streamswarm.celery import FirstLook, application
from tests.conventions import ROOT, list_python_files
from tests.servers.redis import run_redis

PATIENCE_SECONDS = 60
SERVER_FILES = [
    path
    for path in list_python_files()
    if path.is_relative_to(ROOT / "apps") or path.is_relative_to(ROOT / "streamswarm")
]
# Redis would keep what is due later, and run it twice once it is late; the database keeps it.
DELAYS = frozenset({"eta", "countdown", "autoretry_for", "default_retry_delay", "retry_backoff"})


def find_delays(source):
    """Keywords of calls by which Celery would run something later, and calls of a task's retry."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        found += [keyword.arg for keyword in node.keywords if keyword.arg in DELAYS]
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr == "retry"
        if is_method and any(keyword.arg in {"exc", "throw"} for keyword in node.keywords):
            found.append("retry")
    return found


def test_nothing_is_delayed_by_celery():
    found = {path: find_delays(path.read_text()) for path in SERVER_FILES}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("task.apply_async(countdown=5)", ["countdown"]),
        ("task.apply_async(eta=soon, expires=5)", ["eta"]),
        ("shared_task(autoretry_for=(OSError,))", ["autoretry_for"]),
        ("self.retry(exc=error)", ["retry"]),
        ("task.apply_async(expires=5)", []),
    ],
)
def test_delays_are_found(source, names):
    assert find_delays(source) == names


def test_a_killed_workers_message_comes_back_soon_and_nothing_waits_for_ever():
    options = current_app.conf.broker_transport_options
    assert options["visibility_timeout"] == 60
    assert (options["unacked_restore_throttle"], options["unacked_restore_interval"]) == (1, 2)
    for name in ("socket_timeout", "socket_connect_timeout", "health_check_interval"):
        assert 0 < options[name] <= 10
    assert options["socket_keepalive"] is not settings.REDIS_URL.startswith("unix:")


def test_messages_are_acknowledged_late_and_a_lost_process_is_no_loop():
    conf = current_app.conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, False)
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert conf.broker_connection_max_retries is None
    assert not conf.worker_cancel_long_running_tasks_on_connection_loss


def test_every_queue_is_known_and_no_other_is_made():
    queues = current_app.amqp.queues
    assert {queue.value for queue in Queue} <= set(queues)
    assert set(queues.consume_from) >= {queue.value for queue in Queue}
    assert not current_app.conf.task_create_missing_queues


def test_a_hint_travels_in_the_queue_of_its_jobs():
    assert (run_jobs.name, wake_queues.name) == (RUN_JOBS, WAKE_QUEUES)
    assert route_task(RUN_JOBS, ["ml"], {}, {}) == {"queue": "ml"}
    assert route_task("apps.tests.tasks.plan_runs", [], {}, {}) is None
    routed = current_app.amqp.router.route({}, RUN_JOBS, ("reports",), {})
    assert routed["queue"].name == "reports"


def test_a_lost_broker_is_looked_for_every_second_however_long_it_was_away(monkeypatch):
    asked = {}
    monkeypatch.setattr(
        "kombu.connection.Connection._ensure_connection",
        lambda _self, *_args, **options: asked.update(options),
    )
    current_app.connection_for_read().ensure_connection(max_retries=None)
    assert asked == {
        "max_retries": None, "interval_start": 0.5, "interval_step": 0.5, "interval_max": 1,
    }  # fmt: skip


def test_a_message_acknowledged_after_its_broker_was_lost_ends_no_worker(caplog):
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="swarm-")))
        with run_redis(folder) as url:
            broker_url = url.replace("unix:", "redis+socket:")
            connection = cleanup.enter_context(application.connection_for_read(broker_url))
            queue = connection.SimpleQueue("late")
            queue.put("work")
            message = queue.get(timeout=PATIENCE_SECONDS)
            errors = connection.connection_errors
        # As a worker does that meets the loss while a task is under way.
        connection.collect()
        message.channel._disconnect_pools()
        message.ack_log_error(logging.getLogger(), errors)
    assert "the connection of this channel is closed" in caplog.text


def test_every_periodic_task_exists():
    current_app.loader.import_default_modules()
    assert {work.task for work in settings.PERIODIC_WORK} <= set(current_app.tasks)


def look(connection):
    """What a worker does when it begins to consume from the broker, beside Celery's own steps."""
    FirstLook(None).start(SimpleNamespace(app=application, connection=connection))


def test_a_worker_that_begins_to_consume_looks_for_due_jobs():
    assert FirstLook in application.steps["consumer"]
    with Connection("memory://") as connection:
        application.amqp.queues[Queue.DEFAULT](connection.default_channel).declare()
        look(connection)
        message = connection.SimpleQueue(Queue.DEFAULT.value).get_nowait()
    assert message.headers["task"] == WAKE_QUEUES
    assert message.headers["expires"] is not None


def test_a_first_look_that_finds_no_broker_ends_no_worker(tmp_path, caplog):
    with Connection(f"redis+socket://{tmp_path}/no.sock") as connection:
        look(connection)
    assert "first_look_failed" in caplog.text
