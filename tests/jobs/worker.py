"""The server's Celery application with work that a test can hold, and work that kills.

`celery --app tests.jobs.worker worker` is the real worker besides. Each attempt leaves lines in a
file: `begin KEY PROCESS` and, if it comes so far, `end KEY`.
"""

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import django

from streamswarm.celery import application

django.setup()

from apps.jobs.registry import JobKind, Outcome, register_job  # noqa: E402 - Django comes first
from apps.jobs.services import enqueue_job  # noqa: E402 - as above

__all__ = ["application", "describe_test_worker", "enqueue"]

HOLD, POISON = "tests.hold", "tests.poison"
STEP_SECONDS = 0.1


def write_line(run, words):
    with Path(run.arguments["journal"]).open("a") as journal:
        journal.write(f"{words}\n")


def hold(run):
    """Goes on until the journal's neighbour `release` exists."""
    write_line(run, f"begin {run.job.key} {os.getpid()}")
    release = Path(run.arguments["journal"]).with_name("release")
    pause = threading.Event()
    while not release.exists():
        run.report(0.5, "held")
        pause.wait(STEP_SECONDS)
    write_line(run, f"end {run.job.key}")
    return Outcome("released")


def poison(run):
    write_line(run, f"begin {run.job.key} {os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)


register_job(HOLD, JobKind(title="Held work", handler=hold))
# A short claim, so that three deaths fit into a test's time.
register_job(POISON, JobKind(title="Poison", handler=poison, lease_seconds=2))


def enqueue(kind, journal, *keys):
    for key in keys:
        enqueue_job(kind=kind, key=key, arguments={"journal": str(journal)})


def describe_test_worker(child):
    """The worker's description with this application instead of the server's."""
    place = child.argv.index("streamswarm")
    argv = (*child.argv[:place], "tests.jobs.worker:application", *child.argv[place + 1 :])
    return replace(child, argv=argv)
