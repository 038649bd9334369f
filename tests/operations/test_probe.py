"""`manage.py probe`: the answer and the exit code that health checks go by."""

import os
import time
from io import StringIO

import pytest
from django.core.management import call_command

from apps.operations.liveness import leave_mark, locate_mark


@pytest.fixture
def var_dir(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    return tmp_path


def probe(*arguments):
    output = StringIO()
    call_command("probe", *arguments, stdout=output)
    return output.getvalue()


def age(var_dir, name, seconds):
    moment = time.time() - seconds
    os.utime(locate_mark(var_dir, name), (moment, moment))


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_program_with_a_fresh_mark_is_well(var_dir, program):
    leave_mark(var_dir, program)
    assert f"{program}: last sign 0 s ago" in probe(program)


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_one_with_an_old_mark_hangs_while_redis_answers(var_dir, settings, redis_server, program):
    leave_mark(var_dir, program)
    age(var_dir, program, 100)
    assert "cannot be told" in probe(program)
    settings.REDIS_URL = redis_server
    with pytest.raises(SystemExit) as stop:
        probe(program)
    assert stop.value.code == 1


def test_workers_are_told_apart_by_name(var_dir, settings, redis_server):
    settings.REDIS_URL = redis_server
    leave_mark(var_dir, "second@host")
    assert "second: last sign" in probe("worker", "--name", "second")
    with pytest.raises(SystemExit):
        probe("worker")


def test_a_web_server_that_does_not_answer_is_not_well(monkeypatch):
    with pytest.raises(SystemExit):
        probe("web")
