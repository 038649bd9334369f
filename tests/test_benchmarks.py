"""Running all benchmarks: none stops the others, and the end says which goals were missed."""

import json
import subprocess
import sys

import pytest

from benchmarks.__main__ import FOLDER, list_benchmarks, run_all
from benchmarks.measuring.report import Claim


def say(value, *, name="seconds to see it", better="lower"):
    claim = Claim(name, value, "s", 1, better, {"other": 2.0})
    document = {member: getattr(claim, member) for member in Claim.__dataclass_fields__}
    return json.dumps(document) + "\n"


@pytest.fixture
def run_recorded():
    """Runs benchmarks that print and end as told; the names that were run are kept."""

    def run(outcomes):
        names = []

        def run_one(argv):
            names.append(argv[-1].removeprefix("benchmarks."))
            yield from outcomes[names[-1]]

        code = run_all(list(outcomes), run_one)
        assert names == list(outcomes)
        return code

    return run


def test_all_goals_met_is_success(run_recorded, capsys):
    assert run_recorded({"first": ["a table\n", say(1), 0], "second": [say(0.5), 0]}) == 0
    assert "a table\n" in capsys.readouterr().out


def test_a_missed_goal_stops_nothing_and_is_named_in_the_end(run_recorded, capsys):
    outcomes = {
        "first": [say(1.5), say(0.5, name="another"), 1],
        "second": [say(0.5, name="share kept", better="higher"), 1],
        "third": [say(0.1), 0],
    }
    assert run_recorded(outcomes) == 1
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "== 3 benchmarks, 2 goals missed or not measured",
        "first: seconds to see it: 1.5 s, goal at most 1",
        "second: share kept: 0.5 s, goal at least 1",
    ]


@pytest.mark.parametrize("outcome", [[1], [say(0.5), 1], [-9], [say(0.5), 2]])
def test_a_benchmark_that_breaks_is_no_success(run_recorded, capsys, outcome):
    assert run_recorded({"first": outcome, "second": [say(0.5), 0]}) == 1
    ending = capsys.readouterr().out.splitlines()[-1]
    assert ending == f"first: ended with exit code {outcome[-1]}"


def test_every_benchmark_is_known_and_others_are_refused():
    assert "ingest" in list_benchmarks()
    argv = [sys.executable, "-m", "benchmarks", "no_such_thing"]
    ended = subprocess.run(argv, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "no benchmark is called no_such_thing" in ended.stderr
