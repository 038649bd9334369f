import sys

import pytest

from streamswarm_agent.collectors import commands
from streamswarm_agent.collectors.commands import Answer, PacedRead, find_program, run_command

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs the programs of Unix")


@unix_only
def test_a_program_is_run_without_a_shell_and_in_english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = run_command(("sh", "-c", 'echo "$1 $LC_ALL"; cat', "sh", "$(id)"))
    assert said == Answer("$(id) C\n")


@unix_only
def test_a_program_that_fails_says_why():
    said = run_command(("sh", "-c", "echo 'Operation not permitted' >&2; exit 1"))
    assert not said.is_good
    assert said.is_refused
    assert not Answer("Permission denied").is_refused


def test_a_program_that_is_not_there_is_none():
    assert find_program("no-such-program") is None
    assert run_command(("no-such-program", "--help")) is None


@unix_only
def test_a_program_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(commands, "TIMEOUT_SECONDS", 0.05)
    said = run_command(("sleep", "60"))
    assert not said.is_good
    assert "timed out" in said.complaint


def test_a_dear_read_is_done_anew_only_after_its_interval(dial):
    passes = iter(range(10))
    read = PacedRead(lambda: next(passes), 60, dial)
    assert (read(), read()) == (0, 0)
    dial.seconds += 59
    assert read() == 0
    dial.seconds += 1
    assert read() == 1
