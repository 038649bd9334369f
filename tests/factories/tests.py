"""Tests, runs and results."""

from datetime import timedelta
from uuid import uuid4

from apps.core.clock import read_now
from apps.tests.models import Assignment, Result, Run
from apps.tests.services import TestDefinition, create_test


def define(name="Loopback", **fields):
    return TestDefinition(
        **{
            "name": name,
            "kind": "ping",
            "target": "127.0.0.1",
            "duration_seconds": 10.0,
            "sample_interval_seconds": 1.0,
            "every_seconds": 60.0,
            **fields,
        }
    )


def make_test(name="Loopback", *clients, **fields):
    return create_test(define(name, **fields), clients=clients)


def make_assignment(client, name="Loopback", **fields):
    """The assignment of a new test to the client."""
    return Assignment.objects.get(test=make_test(name, client, **fields))


def make_run(assignment, **fields):
    now = read_now()
    return Run.objects.create(
        **{
            "id": uuid4(),
            "assignment": assignment,
            "schedule_revision": assignment.test.schedule_revision,
            "start_at": now,
            "end_at": now + timedelta(seconds=assignment.test.duration_seconds),
            **fields,
        }
    )


def make_result(assignment, **fields):
    now = read_now()
    run = make_run(assignment, state=Run.State.FINISHED)
    return Result.objects.create(
        **{
            "run": run,
            "received_at": now,
            "started_at": now,
            "finished_at": now,
            "outcome": Result.Outcome.COMPLETED,
            "is_success": True,
            "values": {"net.rtt.median": 0.01},
            **fields,
        }
    )


def forget_plans():
    """As if no planner had run yet; making a test plans it at once."""
    Run.objects.all().delete()
    Assignment.objects.update(planned_until=None, planned_at=None)
