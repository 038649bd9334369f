"""The clock, the disk and the files of this machine."""

import shutil
import stat
import statistics
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import Error, connection

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.operations.doctor.base import Finding, Verdict

LEAST_FREE_BYTES = 200e6
LITTLE_FREE_BYTES = 2e9
LITTLE_FREE_RATIO = 0.05
CLOCK_TOLERANCE_SECONDS = 2.0
LEAST_WITNESSES = 3
MOST_WITNESSES = 1000
RECENT = timedelta(minutes=5)


def check_clock() -> list[Finding]:
    """The clock of this machine against the database's and against what the agents measure.

    An agent's offset is server minus agent; when most agents are off the same way, it is the
    server that is wrong.
    """
    try:
        return [compare_with_database(), compare_with_agents()]
    except Error:
        return [Finding("clock", Verdict.SKIPPED, "the database does not answer")]


def compare_with_database() -> Finding:
    if connection.vendor != "postgresql":
        return Finding("clock", Verdict.OK, f"{read_now():%Y-%m-%d %H:%M:%S} UTC")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there: datetime = cursor.fetchone()[0]
    return judge_offset("the database's", (there - read_now()).total_seconds())


def compare_with_agents() -> Finding:
    recent = Client.objects.filter(last_heartbeat_at__gte=read_now() - RECENT)
    measured = recent.values_list("clock_offset_seconds", flat=True)[:MOST_WITNESSES]
    offsets = [offset for offset in measured if offset is not None]
    if len(offsets) < LEAST_WITNESSES:
        detail = f"{len(offsets)} agents to compare with, {LEAST_WITNESSES} are needed"
        return Finding("clock of agents", Verdict.SKIPPED, detail)
    return judge_offset("the agents' (median)", -statistics.median(offsets))


def judge_offset(whose: str, offset_seconds: float) -> Finding:
    detail = f"differs from {whose} by {offset_seconds:+.3f} s"
    if abs(offset_seconds) <= CLOCK_TOLERANCE_SECONDS:
        return Finding("clock", Verdict.OK, detail)
    hint = "Synchronise the clocks (systemd-timesyncd, chrony): times of results depend on it."
    return Finding("clock", Verdict.WARNING, detail, hint)


def check_disk() -> list[Finding]:
    """The room left where this server writes."""
    try:
        usage = shutil.disk_usage(settings.VAR_DIR)
    except FileNotFoundError:
        detail = f"{settings.VAR_DIR} does not exist yet"
        return [Finding("disk", Verdict.SKIPPED, detail)]
    detail = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.0f} GB free at {settings.VAR_DIR}"
    hint = "Free some, or move SWARM_VAR_DIR; a full disk stops every upload."
    if usage.free < LEAST_FREE_BYTES:
        return [Finding("disk", Verdict.FAILED, detail, hint)]
    if usage.free < LITTLE_FREE_BYTES or usage.free < LITTLE_FREE_RATIO * usage.total:
        return [Finding("disk", Verdict.WARNING, detail, hint)]
    return [Finding("disk", Verdict.OK, detail)]


def check_files() -> list[Finding]:
    """The signing key is nobody else's to read, and the browser's files are there."""
    return [judge_secret(settings.VAR_DIR / "secret_key"), judge_assets(settings.STATIC_ROOT)]


def judge_secret(path: Path) -> Finding:
    if not path.exists():
        return Finding("secret key", Verdict.OK, "given by SWARM_SECRET_KEY")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        hint = f"chmod 600 {path}"
        return Finding("secret key", Verdict.FAILED, f"{path} has mode {mode:o}", hint)
    return Finding("secret key", Verdict.OK, f"{path}, readable by its owner only")


def judge_assets(folder: Path) -> Finding:
    if (folder / "staticfiles.json").exists():
        return Finding("static files", Verdict.OK, f"collected in {folder}")
    hint = "Run make setup, or manage.py collectstatic."
    return Finding("static files", Verdict.FAILED, "not collected: pages have no style", hint)
