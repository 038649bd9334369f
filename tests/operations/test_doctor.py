"""The doctor: each thing that can be wrong, its words, and the exit code."""

import json
import os
import time
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from apps.core import plugins
from apps.core.clock import read_now
from apps.operations.doctor import CHECKS, Verdict, examine
from apps.operations.doctor.additions import check_plugins
from apps.operations.doctor.machine import check_clock, check_disk, check_files, judge_secret
from apps.operations.doctor.stores import check_database, check_migrations, check_redis
from apps.operations.doctor.work import check_jobs
from apps.operations.doctor.workers import check_supervisor, check_workers
from apps.operations.liveness import MARK_NAME
from apps.operations.supervisor.lock import hold_lock
from apps.operations.supervisor.status import LOCK_NAME, ChildState, ChildStatus, write_status
from tests.factories.clients import make_client
from tests.factories.jobs import make_job


@pytest.fixture
def var_dir(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


def note_work(folder, *, age_seconds):
    (folder / MARK_NAME).touch()
    moment = time.time() - age_seconds
    os.utime(folder / MARK_NAME, (moment, moment))


def verdicts(findings):
    return {finding.subject: finding.verdict for finding in findings}


@pytest.mark.django_db
def test_a_database_that_answers_is_named_with_its_version():
    (finding,) = check_database()
    assert finding.verdict is Verdict.OK
    assert finding.detail.startswith(("SQLite 3.", "PostgreSQL "))


@pytest.mark.django_db
def test_a_database_that_is_away_fails_with_a_hint(monkeypatch):
    def refuse():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    (finding,) = check_database()
    assert finding.verdict is Verdict.FAILED
    assert "connection refused" in finding.detail
    assert "DATABASE_URL" in finding.hint


@pytest.mark.django_db
def test_a_missing_migration_is_named(monkeypatch):
    (good,) = check_migrations()
    assert good.verdict is Verdict.OK
    missing = SimpleNamespace(app_label="tests", name="0009_something")
    plan = "django.db.migrations.executor.MigrationExecutor.migration_plan"
    monkeypatch.setattr(plan, lambda _executor, _targets: [(missing, False)])
    (finding,) = check_migrations()
    assert finding.verdict is Verdict.FAILED
    assert "tests.0009_something" in finding.detail
    assert "migrate" in finding.hint


def test_redis_is_well_or_named_as_away(redis_server, settings, tmp_path):
    assert verdicts(check_redis()) == {"redis": Verdict.OK}
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    (finding,) = check_redis()
    assert finding.verdict is Verdict.FAILED
    assert "REDIS_URL" in finding.hint


@pytest.mark.parametrize(
    ("names", "age_seconds", "worker", "beat"),
    [
        (["celery@one"], 5, Verdict.OK, Verdict.OK),
        (["celery@one"], 300, Verdict.OK, Verdict.FAILED),
        (["celery@one"], None, Verdict.OK, Verdict.FAILED),
        ([], 300, Verdict.FAILED, Verdict.SKIPPED),
        ([], None, Verdict.FAILED, Verdict.WARNING),
    ],
)
def test_a_missing_worker_and_a_missing_beat_are_told_apart(
    names, age_seconds, worker, beat, var_dir
):
    if age_seconds is not None:
        note_work(var_dir, age_seconds=age_seconds)
    assert verdicts(check_workers(lambda: names)) == {"worker": worker, "beat": beat}


def test_without_redis_nobody_asks_the_workers(var_dir):
    def refuse():
        raise ConnectionRefusedError("no broker")

    assert set(verdicts(check_workers(refuse)).values()) == {Verdict.SKIPPED}


def test_a_program_that_dies_again_and_again_is_a_warning(var_dir):
    assert verdicts(check_supervisor()) == {"supervisor": Verdict.SKIPPED}
    children = [
        ChildStatus("web", ChildState.RUNNING, 11),
        ChildStatus("worker", ChildState.WAITING, restart_count=7, last_exit="signal SIGKILL"),
    ]
    write_status(var_dir, address="http://127.0.0.1:1", children=children, messages=())
    with hold_lock(var_dir / LOCK_NAME):
        findings = check_supervisor()
    assert [finding.verdict for finding in findings] == [Verdict.OK, Verdict.WARNING]
    assert "worker was restarted 7 times, last signal SIGKILL" in findings[1].detail


@pytest.mark.django_db
def test_when_most_agents_disagree_the_servers_clock_is_wrong():
    for number, offset_seconds in enumerate([30.0, 31.0, 29.5, 0.0]):
        make_client(
            f"probe-{number}",
            last_heartbeat_at=read_now(),
            clock_offset_seconds=offset_seconds,
        )
    of_agents = check_clock()[1]
    assert of_agents.verdict is Verdict.WARNING
    assert "-29.750 s" in of_agents.detail


@pytest.mark.django_db
def test_one_agent_with_a_wrong_clock_accuses_nobody():
    for number, offset_seconds in enumerate([0.1, -0.2, 500.0]):
        make_client(
            f"probe-{number}",
            last_heartbeat_at=read_now(),
            clock_offset_seconds=offset_seconds,
        )
    assert {finding.verdict for finding in check_clock()} == {Verdict.OK}


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(100e9, Verdict.OK), (1e9, Verdict.WARNING), (3e9, Verdict.WARNING), (50e6, Verdict.FAILED)],
)
def test_the_room_left_on_the_disk_is_judged(free, verdict, var_dir, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=500e9, free=free))
    assert verdicts(check_disk()) == {"disk": verdict}


def test_a_key_others_may_read_fails_and_says_how_to_mend_it(tmp_path):
    path = tmp_path / "secret_key"
    path.write_text("x" * 50)
    path.chmod(0o644)
    assert judge_secret(path).verdict is Verdict.FAILED
    assert judge_secret(path).hint == f"chmod 600 {path}"
    path.chmod(0o600)
    assert judge_secret(path).verdict is Verdict.OK


def test_pages_without_style_are_noticed(settings, var_dir):
    settings.STATIC_ROOT = var_dir / "nothing"
    assert verdicts(check_files())["static files"] is Verdict.FAILED


def test_a_broken_plugin_is_named_with_its_reason(monkeypatch):
    found = {
        ("streamswarm.contracts", "good", "good 1.0"): plugins.Plugin("g", "good", "good 1.0"),
        ("streamswarm.contracts", "bad", "bad 2.0"): plugins.Plugin("g", "bad", "bad 2.0", "no"),
    }
    monkeypatch.setattr(plugins, "_found", found)
    assert verdicts(check_plugins()) == {
        "plug-in bad": Verdict.WARNING,
        "plug-in good": Verdict.OK,
    }
    assert "left out: no" in next(f.detail for f in check_plugins() if f.hint)


def test_a_check_that_breaks_is_a_finding_and_the_rest_goes_on():
    def break_down():
        raise ZeroDivisionError("of all things")

    findings = list(examine({"odd": break_down, "plug-ins": check_plugins}))
    assert findings[0].verdict is Verdict.FAILED
    assert "of all things" in findings[0].detail
    assert len(findings) > 1


@pytest.mark.django_db
def test_the_command_exits_with_1_and_its_json_names_every_check(settings, var_dir):
    settings.REDIS_URL = f"unix://{var_dir}/none.sock"
    output = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("doctor", "--json", stdout=output)
    assert exit_.value.code == 1
    document = json.loads(output.getvalue())
    assert not document["is_well"]
    subjects = {finding["subject"] for finding in document["findings"]}
    assert {"database", "migrations", "redis", "worker", "beat", "clock", "disk"} <= subjects
    assert len(CHECKS) >= 9


@pytest.mark.django_db
def test_work_that_was_given_up_or_that_nobody_does_is_named():
    assert verdicts(check_jobs()) == {"jobs": Verdict.OK}
    make_job(kind="reports.monthly", state="dead")
    make_job(queue="ml", run_after=read_now() - timedelta(minutes=2))
    overdue, dead = check_jobs()
    assert (overdue.verdict, dead.verdict) == (Verdict.FAILED, Verdict.WARNING)
    assert overdue.detail == "1 due for more than 60 s, in ml"
    assert dead.detail == "1 given up: reports.monthly"
