"""A child that lives and does not work: found, killed, started again; a sound one let be."""

import asyncio
import os
import signal
from dataclasses import replace

from apps.operations.supervisor.backoff import BackoffPolicy
from apps.operations.supervisor.child import Probe
from apps.operations.supervisor.gates import answers_redis, leaves_marks
from apps.operations.supervisor.supervisor import Supervisor
from apps.operations.supervisor.watch import Watch
from tests.operations.children import SLEEPER, build_supervisor, make_child, until

STEP_SECONDS = 0.02


class Answers:
    """A gate that says what it is told, then its last word for ever; each question counts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.count = 0

    async def __call__(self):
        self.count += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def probed(tmp_path, answers, *, misses=3, **options):
    probe = Probe(answers, patience_seconds=misses * STEP_SECONDS, interval_seconds=STEP_SECONDS)
    return make_child(tmp_path, SLEEPER, probe=probe, **options)


async def test_a_child_that_hangs_is_killed_with_a_word_and_started_again(tmp_path, journal):
    answers = Answers(True, False)
    supervisor = build_supervisor(journal)
    await supervisor.start(probed(tmp_path, answers, ready_timeout_seconds=600))
    await until(lambda: supervisor.children[0].restart_count >= 1)
    assert journal.has_line("child lives but does not work, and is killed")
    assert supervisor.children[0].last_exit == "signal SIGKILL"
    await supervisor.stop()


async def test_a_frozen_child_is_killed_like_any_other_that_hangs(tmp_path, journal):
    supervisor = build_supervisor(journal)
    mark = tmp_path / "mark"
    code = (
        "import pathlib, threading\n"
        f"while True: pathlib.Path({str(mark)!r}).touch(); threading.Event().wait(0.01)"
    )
    probe = Probe(leaves_marks(mark, needs=Answers(True)), 0.5, 0.1)
    child = replace(make_child(tmp_path, code, probe=probe), ready_timeout_seconds=600)
    await supervisor.start(child)
    await until(mark.exists)
    process_id = supervisor.children[0].process_id
    os.kill(process_id, signal.SIGSTOP)
    await until(lambda: supervisor.children[0].process_id not in {None, process_id})
    await supervisor.stop()


async def test_a_child_that_answers_now_and_then_is_let_be(tmp_path, journal):
    answers = Answers(True, *[False, False, True] * 10, True)
    supervisor = build_supervisor(journal)
    await supervisor.start(probed(tmp_path, answers))
    await until(lambda: len(answers.answers) == 1)
    assert supervisor.children[0].restart_count == 0
    await supervisor.stop()


async def test_a_child_has_all_its_time_to_start(tmp_path):
    answers = Answers(False)
    watch = Watch(probed(tmp_path, answers, misses=1, ready_timeout_seconds=2))
    await asyncio.wait_for(watch.wait_until_hung(), timeout=60)
    assert answers.count == 2
    assert watch.read_well_seconds() == 0


async def test_a_child_that_never_did_its_work_is_not_restarted_at_once(tmp_path, journal):
    """However long it lived: a slow start that fails again and again is a loop of crashes."""
    policy = BackoffPolicy(first_seconds=0.01, longest_seconds=0.05, healthy_seconds=0)
    supervisor = Supervisor(report=journal.report, on_change=journal.note, policy=policy)
    await supervisor.start(make_child(tmp_path, "raise SystemExit(1)"))
    await until(lambda: supervisor.children[0].restart_count >= 2)
    await supervisor.stop()
    assert {line.rsplit(" in ")[1] for _, line in journal.lines if " ended " in line} == {"0.01 s"}
    watch = Watch(probed(tmp_path, Answers(False)))
    assert watch.read_well_seconds() == 0
    assert Watch(make_child(tmp_path, SLEEPER)).read_well_seconds() >= 0


async def test_marks_are_told_apart_whatever_the_clock_says(tmp_path):
    mark, needs = tmp_path / "mark", Answers(True)
    mark.touch()
    gate = leaves_marks(mark, needs=needs)
    assert not await gate()
    for moment in (2_000_000_000, 1_000_000_000):
        os.utime(mark, (moment, moment))
        assert await gate()
        assert not await gate()
    mark.unlink()
    await gate()
    assert not await gate()


async def test_without_its_queue_nobody_is_blamed(tmp_path):
    gate = leaves_marks(tmp_path / "mark", needs=answers_redis(f"unix://{tmp_path}/none.sock"))
    assert await gate()
    assert not await answers_redis("redis://127.0.0.1:1/0")()
