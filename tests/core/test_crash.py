"""The server dies where a fault test wants it to, and nowhere else."""

import os
import signal
import subprocess
import sys
from typing import get_args

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.core.crash import CrashPoint, arm_crash, pass_unharmed

PASS = (
    "import sys\n"
    "from apps.core.crash import pass_point\n"
    "for point in sys.argv[1:]: pass_point(point)"
)


def pass_points(*points, wanted):
    environment = {**os.environ, "SWARM_CRASH_AT": wanted}
    argv = [sys.executable, "-c", PASS, *points]
    return subprocess.run(argv, env=environment, check=False).returncode


def test_nothing_is_armed_unless_the_variable_says_so():
    assert arm_crash({}) is pass_unharmed
    assert arm_crash({"SWARM_CRASH_AT": ""}) is pass_unharmed


def test_a_point_that_does_not_exist_is_refused():
    with pytest.raises(ImproperlyConfigured, match="SWARM_CRASH_AT='sometime'"):
        arm_crash({"SWARM_CRASH_AT": "sometime"})


@pytest.mark.parametrize("point", get_args(CrashPoint))
def test_the_process_dies_at_its_point_and_passes_the_others(point):
    others = [name for name in get_args(CrashPoint) if name != point]
    assert pass_points(*others, wanted=point) == 0
    assert pass_points(*others, point, wanted=point) == -signal.SIGKILL
