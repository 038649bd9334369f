"""The marks of workers and beat: through the queue, and beside a task that takes its time."""

import pytest
from celery.utils.nodenames import worker_direct

from apps.jobs.published import ClaimRenewed
from apps.operations import liveness, pulse
from apps.operations.beat import MarkingScheduler
from apps.operations.tasks import note_liveness, note_pulse
from tests.factories.jobs import make_job


class SteeredPulse:
    """A pulse whose clock and marks are the test's."""

    def __init__(self):
        self.now, self.marks = 0.0, []
        self.pulse = pulse.TaskPulse(self.marks.append, clock=lambda: self.now)


@pytest.fixture
def var_dir(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


def test_a_no_op_leaves_the_mark_of_its_worker_alone(var_dir):
    note_pulse("worker@host-1")
    assert liveness.read_mark_age_seconds(var_dir, "worker") < 60
    assert liveness.read_mark_age_seconds(var_dir, "worker@host-2") < 60
    assert liveness.read_mark_age_seconds(var_dir, "second") is None
    assert liveness.read_worker_age_seconds(var_dir) is None
    note_liveness()
    assert liveness.read_worker_age_seconds(var_dir) < 60


def test_a_name_never_leaves_the_folder(tmp_path):
    path = liveness.locate_mark(tmp_path, "../../etc/passwd@host")
    assert path.parent == tmp_path / "pulse"


def test_the_no_op_goes_into_the_queue_of_its_worker_and_expires(monkeypatch):
    sent = []
    monkeypatch.setattr(
        pulse.current_app, "send_task", lambda *args, **options: sent.append((args, options))
    )
    pulse.send_no_op("worker@host-1")
    ((name, arguments), options) = sent[0]
    assert (name, arguments) == (note_pulse.name, ["worker@host-1"])
    assert options["queue"] == worker_direct("worker@host-1")
    assert options["expires"] == pulse.EXPIRES_SECONDS


def test_while_a_task_runs_its_process_leaves_the_mark_but_not_for_ever():
    steered = SteeredPulse()
    steered.pulse.step()
    steered.pulse.begin("worker@host")
    for steered.now in (5, 10, pulse.LONGEST_TASK_SECONDS):
        steered.pulse.step()
    assert steered.marks == ["worker@host"] * 2
    steered.pulse.extend()
    steered.pulse.step()
    assert len(steered.marks) == 3
    steered.pulse.end()
    steered.pulse.step()
    steered.pulse.extend()
    steered.pulse.step()
    assert len(steered.marks) == 3


@pytest.mark.django_db
def test_a_job_that_goes_on_keeps_the_pulse_of_its_task_going(monkeypatch):
    steered = SteeredPulse()
    monkeypatch.setattr(pulse, "TASK_PULSE", steered.pulse)
    steered.pulse.begin("worker@host")
    steered.now = pulse.LONGEST_TASK_SECONDS * 5
    pulse.extend_task(ClaimRenewed(make_job().id))
    steered.pulse.step()
    assert steered.marks == ["worker@host"]


def test_beat_marks_its_ticks_at_a_bounded_rate(var_dir, monkeypatch):
    monkeypatch.setattr("django_celery_beat.schedulers.DatabaseScheduler.tick", lambda _self: 0.5)
    scheduler = MarkingScheduler.__new__(MarkingScheduler)
    assert scheduler.tick() == 0.5
    mark = liveness.locate_mark(var_dir, "beat")
    marked = mark.stat().st_mtime_ns
    scheduler.tick()
    assert mark.stat().st_mtime_ns == marked
    scheduler._marked = float("-inf")
    scheduler.tick()
    assert mark.stat().st_mtime_ns > marked
