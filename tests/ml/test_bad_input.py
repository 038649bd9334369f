"""Series and models as nobody should have them, from the outside to what is said of them.

Fewer than fifty results and files of every wrong form are in tests/api/test_models.py,
test_containers.py and test_serving.py; a training that is killed at any step in
tests/faults/test_models.py.
"""

import csv
import io
import json
import math
import os
import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import call_command

from apps.core.clock import read_now
from apps.metrics.models import Frame
from apps.metrics.services import roll_up
from apps.ml.algorithms.containers import digest
from apps.ml.models import Finding, ModelVersion, SeriesState, SeriesWatch
from apps.ml.selectors.champions import SHELF
from apps.ml.services.joint import JUDGED, judge_new_results
from apps.ml.services.series import judge_series
from apps.ml.writers.model_files import locate_file
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.learning import make_version
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment

LENGTH, ODD = 260, 240
KEY, OTHER_KEY = wire.CPU_KEYS
STEP = timedelta(minutes=5)
RANDOM = np.random.default_rng(4)
USUAL = RANDOM.uniform(0.4, 0.6, size=LENGTH)


def spoil(place, value):
    values = USUAL.copy()
    values[place] = value
    return values.tolist()


def count_up():
    """A counter that began again once."""
    counted = np.cumsum(RANDOM.uniform(900, 1100, size=LENGTH))
    counted[ODD:] -= counted[ODD - 1]
    return counted.tolist()


# By kind the values, None for what was not measured, and where something unusual must be found.
SERIES = {
    "constant": ([0.5] * LENGTH, []),
    "constant that changes": ([0.5] * ODD + [0.7] * (LENGTH - ODD), [ODD]),
    "empty": ([None] * LENGTH, []),
    "gappy": ([value if n % 4 == 0 else None for n, value in enumerate(USUAL.tolist())] * 4, []),
    "huge": ((np.array(spoil(ODD, 1.5)) * 1e12).tolist(), [ODD]),
    "tiny change at a huge level": ((1e12 + np.array(spoil(ODD, 1.5))).tolist(), [ODD]),
    "counter that began again": (count_up(), [ODD]),
}


@pytest.fixture(params=SERIES)
def series(request):
    return SERIES[request.param]


def is_as_expected(found, odd):
    """What must be found is; a few more may be where the series varies, none where it does not."""
    return set(odd) <= set(found) and len(found) <= 3 * len(odd)


def score(path):
    output = io.StringIO()
    call_command("score_series", path, stdout=output)
    return list(csv.DictReader(io.StringIO(output.getvalue())))


def write(path, rows):
    path.write_text("\n".join(["timestamp,value", *rows]) + "\n")
    return path


def test_the_command_judges_it(series, tmp_path):
    values, odd = series
    cells = ["" if value is None else repr(value) for value in values]
    table = write(tmp_path / "a.csv", [f"{300 * n},{cell}" for n, cell in enumerate(cells)])
    rows = score(table)
    found = [n for n, row in enumerate(rows) if row["is_anomaly"] == "1"]
    assert is_as_expected(found, odd)
    assert [n for n, row in enumerate(rows) if not row["score"]] == [
        n for n, value in enumerate(values) if value is None
    ]
    assert all(math.isfinite(float(row["score"])) for row in rows if row["score"])


def test_the_command_takes_figures_that_are_none_for_not_measured(tmp_path):
    cells = [repr(value) for value in spoil(ODD, 1.5)]
    cells[20:23] = "nan", "inf", "-inf"
    lines = [f"{300 * n},{cell}" for n, cell in enumerate(cells)]
    rows = score(write(tmp_path / "a.csv", [*lines[:30], *lines[20:30], *lines[30:]]))
    assert [n for n, row in enumerate(rows) if not row["score"]] == [20, 21, 22, 30, 31, 32]
    assert rows[ODD + 10]["is_anomaly"] == "1"


# From an agent's upload through the worker.
@pytest.fixture
def probe(db):
    return make_client("probe")


def find_start():
    """Of the first five minutes; the last ones are over."""
    now = read_now().timestamp()
    return datetime.fromtimestamp(now // 300 * 300, UTC) - (LENGTH * 4 + 2) * STEP


def send(http, probe, values, *, start):
    """A frame in the middle of each five minutes; the answers, batch by batch."""
    secret = make_key(probe)
    records = [
        wire.frame(
            (value, 1.0),
            at=start + n * STEP + STEP / 2,
            absent={} if value is not None else {KEY: "T"},
        )
        for n, value in enumerate(values)
    ]
    return [
        wire.send(http, secret, *records[first : first + 200])
        for first in range(0, len(records), 200)
    ]


def judge(start, count):
    end = start + (count + 1) * STEP
    # What arrived is noted first, then recomputed when it has had time to settle.
    for pause in (timedelta(), timedelta(hours=1)):
        roll_up(now=read_now() + pause, budget_seconds=60)
    judge_series(now=end, budget_seconds=60)


def watch(http, probe, start, value=0.5):
    """The source is known from its first frame on, so that what follows may be found unusual."""
    send(http, probe, [value], start=start - STEP)
    judge_series(now=start)


def list_odd(start):
    rows = Finding.objects.filter(metric=KEY).order_by("started_at")
    return [round((at - start) / STEP) for at in rows.values_list("started_at", flat=True)]


def test_the_worker_judges_what_an_agent_sends(client, probe, series):
    values, odd = series
    start = find_start()
    watch(client, probe, start, values[0] or 0.5)
    send(client, probe, values, start=start)
    judge(start, len(values))
    assert is_as_expected(list_odd(start), odd)
    known = SeriesState.objects.filter(metric=KEY).values_list("values_count", flat=True)
    # The frame of the watch is counted as well.
    assert list(known) == [1 + sum(value is not None for value in values)]
    assert SeriesWatch.objects.get().judged_until == start + len(values) * STEP


def test_a_doubled_moment_is_one_value(client, probe):
    start = find_start()
    watch(client, probe, start)
    values = spoil(ODD, 1.5)
    for _again in range(2):
        send(client, probe, values, start=start)
    judge(start, LENGTH)
    assert ODD in list_odd(start)
    assert SeriesState.objects.get(metric=KEY).values_count == LENGTH + 1


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", '"much"', "true", "[1]"])
def test_the_door_lets_no_figure_in_that_is_none(client, probe, text):
    body = wire.batch(wire.frame(("FIGURE", 1.0)))
    content = json.dumps(body).replace('"FIGURE"', text).encode()
    answer = wire.post(client, "records", content, make_key(probe))
    assert answer.status_code == 400 or len(answer.json()["rejected"]) == 1
    assert not Frame.objects.exists()


# Of models.
class Malice:
    """What would run a command if anybody unpickled it."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["pickle", "npz of objects", "npy of objects"])
def test_a_file_that_would_run_something_is_refused_and_results_are_left_to_rules(tmp_path, form):
    SHELF.clear()
    JUDGED.clear()
    mark = tmp_path / "was_run"
    file = io.BytesIO()
    odd = np.array([Malice(mark)], dtype=object)
    if form == "pickle":
        file.write(pickle.dumps(Malice(mark)))
    elif form == "npz of objects":
        np.savez(file, trees=odd)
    else:
        np.save(file, odd, allow_pickle=True)
    content = file.getvalue()
    assignment = make_assignment(make_client("probe"), "Path")
    store_results(assignment, draw_observations(60, until=read_now() - timedelta(hours=1)))
    version = make_version(
        kind="joint_anomaly",
        scope=f"assignment:{assignment.id}",
        state="champion",
        digest=digest(content),
        size_bytes=len(content),
    )
    locate_file(version.id).parent.mkdir(parents=True, exist_ok=True)
    locate_file(version.id).write_bytes(content)
    judge_new_results()
    store_one(assignment, {metric.key: 9.0 for metric in METRICS})
    assert judge_new_results() == 0
    assert not Finding.objects.exists()
    assert not mark.exists()
    assert ModelVersion.objects.get().state == "champion"
