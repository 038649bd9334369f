"""Starting with settings that are unsafe or wrong."""

import os
import subprocess
import sys

import pytest

from tests.conventions import ROOT

SAFE = {"SWARM_BASE_URL": "https://example.org", "SWARM_SECRET_KEY": "0123456789abcdefGHIJ" * 4}


@pytest.fixture
def manage(tmp_path):
    def run(*arguments, **variables):
        environment = {"PATH": os.environ["PATH"], "SWARM_VAR_DIR": str(tmp_path), **variables}
        return subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_an_installation_behind_https_passes_the_deployment_check(manage):
    checked = manage("check", "--deploy", "--fail-level", "WARNING", **SAFE)
    assert checked.returncode == 0, checked.stderr
    assert "WARNINGS" not in checked.stderr


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SWARM_PORT": "http"}, "SWARM_PORT"),
        ({"SERVER_PORT": "70000"}, "SERVER_PORT"),
        ({"SWARM_SECRET_KEY": "hunter2"}, "SWARM_SECRET_KEY"),
        ({"SWARM_DEBUG": "1", "SWARM_HOST": "0.0.0.0"}, "SWARM_DEBUG"),  # noqa: S104 - refused
        ({"DATABASE_URL": "mysql://user:hunter2@host/db"}, "DATABASE_URL"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_wrong_setting_ends_the_start_and_is_named_without_secrets(manage, variables, named):
    started = manage("up", **variables)
    assert started.returncode == 1
    assert named in started.stderr.splitlines()[-1]
    assert "hunter2" not in started.stderr
