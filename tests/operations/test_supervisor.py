import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from apps.operations.supervisor.backoff import BackoffPolicy
from apps.operations.supervisor.child import Child, build_launch_argv, describe_exit
from apps.operations.supervisor.errors import NotReadyError
from apps.operations.supervisor.status import ChildState
from apps.operations.supervisor.supervisor import Supervisor
from tests.operations.children import (
    DEADLINE_SECONDS,
    SLEEPER,
    build_supervisor,
    make_child,
    until,
)
from tests.servers.waiting import is_process_alive, wait_until

# Ignores SIGTERM and has a child of its own that does so too.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 2:
    child = subprocess.Popen([sys.executable, __file__, sys.argv[1], "grandchild"])
    open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def file_gate(path: Path) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        return await asyncio.to_thread(path.exists)

    return is_ready


async def test_a_child_is_ready_when_its_gate_opens(tmp_path, journal):
    sign = tmp_path / "ready"
    code = f"open({str(sign)!r}, 'w'); {SLEEPER}"
    supervisor = build_supervisor(journal)
    await supervisor.start(make_child(tmp_path, code, is_ready=file_gate(sign)))
    assert sign.exists()
    assert supervisor.children[0].state == ChildState.RUNNING
    await supervisor.stop()


async def test_a_gate_that_stays_shut_names_the_child_and_its_last_end(tmp_path, journal):
    supervisor = build_supervisor(journal)
    child = make_child(
        tmp_path,
        "raise SystemExit(3)",
        is_ready=file_gate(tmp_path / "never"),
        ready_timeout_seconds=1,
    )
    with pytest.raises(NotReadyError, match=r"child was not ready after 1 s.*exit code 3"):
        await supervisor.start(child)
    await supervisor.stop()


async def test_lines_of_a_child_are_reported_with_its_name(tmp_path, journal):
    supervisor = build_supervisor(journal)
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    await supervisor.start(make_child(tmp_path, code, name="speaker"))
    await until(lambda: ("speaker", "out") in journal.lines)
    await until(lambda: ("speaker", "err") in journal.lines)
    await supervisor.stop()


async def test_an_endless_line_does_not_stop_the_log(tmp_path, journal):
    supervisor = build_supervisor(journal)
    await supervisor.start(make_child(tmp_path, "print('x' * 300_000); print('after')"))
    await until(lambda: journal.has_line("was left out"))
    await until(lambda: ("child", "after") in journal.lines)
    await supervisor.stop()


async def test_a_killed_child_is_restarted_and_the_restart_is_visible(tmp_path, journal):
    supervisor = build_supervisor(journal)
    await supervisor.start(make_child(tmp_path, SLEEPER))
    await until(lambda: supervisor.children[0].process_id)
    first = supervisor.children[0].process_id
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.children[0].process_id not in {None, first})
    child = supervisor.children[0]
    assert (child.restart_count, child.last_exit) == (1, "signal SIGKILL")
    assert child.state == ChildState.RUNNING
    assert journal.has_line("child ended (signal SIGKILL)")
    assert any(states["child"].state == ChildState.WAITING for states in journal.states)
    await supervisor.stop()


async def test_a_child_that_keeps_dying_waits_longer_each_time(tmp_path, journal):
    supervisor = build_supervisor(journal)
    await supervisor.start(make_child(tmp_path, "raise SystemExit(1)"))
    await until(lambda: supervisor.children[0].restart_count >= 3)
    await supervisor.stop()
    delays = [line.rsplit(" in ")[1] for _, line in journal.lines if " ended " in line]
    assert delays[:4] == ["0.01 s", "0.02 s", "0.04 s", "0.05 s"][: len(delays[:4])]


async def test_what_a_dead_child_had_started_does_not_outlive_it(tmp_path, journal):
    process_ids = tmp_path / "process_ids"
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    child = Child("child", (sys.executable, str(script), str(process_ids)), os.environ, tmp_path)
    supervisor = build_supervisor(journal)
    await supervisor.start(child)
    await until(lambda: process_ids.exists() and len(process_ids.read_text().split()) == 2)
    parent, grandchild = map(int, process_ids.read_text().split())
    os.kill(parent, signal.SIGKILL)
    await until(lambda: not is_process_alive(grandchild))
    assert journal.has_line("signal SIGKILL")
    await supervisor.stop()


async def test_children_stop_in_reverse_order(tmp_path, journal):
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n    print('bye', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    supervisor = build_supervisor(journal)
    for name in ("first", "second", "third"):
        await supervisor.start(make_child(tmp_path, code, name=name))
    await until(lambda: [line for _, line in journal.lines].count("up") == 3)
    await supervisor.stop()
    assert [name for name, line in journal.lines if line == "bye"] == ["third", "second", "first"]


async def test_a_child_that_ignores_the_request_is_killed_in_time(tmp_path, journal):
    process_ids = tmp_path / "process_ids"
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    child = Child("child", (sys.executable, str(script), str(process_ids)), os.environ, tmp_path)
    supervisor = build_supervisor(journal, stop_seconds=0.5)
    await supervisor.start(child)
    await until(lambda: process_ids.exists() and len(process_ids.read_text().split()) == 2)
    await supervisor.stop()
    assert journal.has_line("did not stop in time")
    await until(lambda: not any(map(is_process_alive, map(int, process_ids.read_text().split()))))


async def test_stopping_while_a_restart_waits_starts_nothing_more(tmp_path, journal):
    policy = BackoffPolicy(first_seconds=600)
    supervisor = Supervisor(report=journal.report, on_change=journal.note, policy=policy)
    await supervisor.start(make_child(tmp_path, "raise SystemExit(1)"))
    await until(lambda: supervisor.children[0].state == ChildState.WAITING)
    await supervisor.stop()
    assert journal.states[-1]["child"].state == ChildState.STOPPED
    assert journal.states[-1]["child"].restart_count == 0


async def test_a_program_that_does_not_exist_is_named_in_the_log(tmp_path, journal):
    child = Child("child", ("/nowhere/program",), os.environ, tmp_path)
    supervisor = build_supervisor(journal)
    await supervisor.start(child)
    await until(lambda: journal.has_line("/nowhere/program: No such file or directory"))
    await until(lambda: journal.has_line("exit code 127"))
    await supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tie exists on Linux only")
def test_children_die_with_a_killed_supervisor(tmp_path):
    sign = tmp_path / "process_id"
    code = f"import os; open({str(sign)!r}, 'w').write(str(os.getpid())); {SLEEPER}"
    start_child = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from apps.operations.supervisor.child import Child, build_launch_argv\n"
        "child = Child('child', (sys.executable, '-c', sys.argv[1]), {}, Path('/'))\n"
        "subprocess.Popen(build_launch_argv(child), start_new_session=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", start_child, code]) as supervisor:
        wait_until(lambda: sign.exists() and sign.read_text(), seconds=DEADLINE_SECONDS)
        child = int(sign.read_text())
        assert is_process_alive(child)
        supervisor.kill()
    wait_until(lambda: not is_process_alive(child), seconds=DEADLINE_SECONDS)
    assert not is_process_alive(child)


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path):
    sign = tmp_path / "started"
    child = make_child(tmp_path, f"open({str(sign)!r}, 'w')")
    argv = list(build_launch_argv(child))
    argv[argv.index(str(os.getpid()))] = "1"
    result = subprocess.run(argv, check=False, timeout=DEADLINE_SECONDS)
    assert result.returncode == 1
    assert not sign.exists()


@pytest.mark.parametrize(
    ("return_code", "words"),
    [(0, "exit code 0"), (2, "exit code 2"), (-9, "signal SIGKILL"), (-250, "signal 250")],
)
def test_exits_are_described_in_words(return_code, words):
    assert describe_exit(return_code) == words


def test_back_off_doubles_up_to_the_longest_delay_and_forgets_after_a_healthy_stretch():
    policy = BackoffPolicy()
    delays = [policy.next_delay_seconds(None, well_seconds=0.1)]
    for _ in range(8):
        delays.append(policy.next_delay_seconds(delays[-1], well_seconds=0.1))
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert policy.next_delay_seconds(delays[-1], well_seconds=19.9) == 30
    assert policy.next_delay_seconds(delays[-1], well_seconds=20) == 0.5


def test_the_supervisor_imports_no_django():
    code = (
        "import sys, apps.operations.supervisor.supervisor, apps.operations.supervisor.programs;"
        "assert 'django' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], check=False, timeout=DEADLINE_SECONDS)
    assert result.returncode == 0


async def test_a_secret_reaches_a_child_by_its_input_only(tmp_path, journal):
    code = "import sys; print(sys.stdin.read().upper(), sys.argv)"
    child = make_child(tmp_path, code, standard_input="k7x9q\n")
    assert "k7x9q" not in repr(child)
    supervisor = build_supervisor(journal)
    assert await supervisor.run_once(child) == "exit code 0"
    assert journal.has_line("K7X9Q")
    assert not journal.has_line("k7x9q")
    assert supervisor.children == ()


async def test_a_program_with_an_end_is_stopped_with_the_rest(tmp_path, journal):
    supervisor = build_supervisor(journal)
    running = asyncio.create_task(supervisor.run_once(make_child(tmp_path, SLEEPER)))
    await until(lambda: supervisor.children and supervisor.children[0].process_id)
    await supervisor.stop()
    assert await running == "signal SIGTERM"
