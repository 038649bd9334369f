"""Whether scheduled work flows: beat queues, a worker does; and the supervisor's account."""

from collections.abc import Callable
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from redis import RedisError

from apps.operations.doctor.base import Finding, Verdict
from apps.operations.liveness import read_worker_age_seconds
from apps.operations.supervisor.status import ChildState, read_status

STALE_SECONDS = 45.0
PING_SECONDS = 2.0
RESTARTS_THAT_WORRY = 3


def ping_workers() -> list[str]:
    """The names of the workers that answer within two seconds."""
    replies: list[dict[str, Any]] = current_app.control.ping(timeout=PING_SECONDS)
    return sorted(name for reply in replies for name in reply)


def check_workers(ping: Callable[[], list[str]] = ping_workers) -> list[Finding]:
    """Worker and beat, told apart: a worker that answers but got no work misses its beat."""
    age = read_worker_age_seconds(settings.VAR_DIR)
    try:
        names = ping()
    except (OperationalError, RedisError, OSError) as error:
        return [
            Finding(subject, Verdict.SKIPPED, f"cannot be asked: {error}")
            for subject in ("worker", "beat")
        ]
    return [judge_worker(names), judge_beat(names, age)]


def judge_worker(names: list[str]) -> Finding:
    if names:
        return Finding("worker", Verdict.OK, f"{len(names)} answered: {', '.join(names)}")
    hint = "Start one: celery --app streamswarm worker (manage.py up does)."
    return Finding("worker", Verdict.FAILED, "no worker answered within 2 s", hint)


def judge_beat(names: list[str], age_seconds: float | None) -> Finding:
    hint = "Start exactly one: celery --app streamswarm beat."
    if age_seconds is None:
        detail = "no scheduled work was ever done on this machine"
        return Finding("beat", Verdict.WARNING if not names else Verdict.FAILED, detail, hint)
    detail = f"scheduled work was last done {age_seconds:.0f} s ago"
    if age_seconds <= STALE_SECONDS:
        return Finding("beat", Verdict.OK, detail)
    if not names:
        return Finding("beat", Verdict.SKIPPED, f"{detail}; no worker to do it")
    return Finding("beat", Verdict.FAILED, detail, hint)


def check_supervisor() -> list[Finding]:
    """What `manage.py up` says of its children, where it is used."""
    status = read_status(settings.VAR_DIR)
    if status is None or not status.is_running:
        detail = "manage.py up does not run here; the programs are started by something else"
        return [Finding("supervisor", Verdict.SKIPPED, detail)]
    findings = [Finding("supervisor", Verdict.OK, f"runs {len(status.children)} programs")]
    for child in status.children:
        if child.state is ChildState.WAITING or child.restart_count >= RESTARTS_THAT_WORRY:
            detail = f"{child.name} was restarted {child.restart_count} times"
            detail += f", last {child.last_exit}" if child.last_exit else ""
            hint = "Its lines in the log say why it ends."
            findings.append(Finding("supervisor", Verdict.WARNING, detail, hint))
    return findings
