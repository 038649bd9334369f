"""A training killed at each of its steps, and files of models that are not what they were."""

import hashlib
import time
from dataclasses import replace

import pytest

from apps.operations.supervisor.programs import describe_worker
from tests.faults.oracle import LONG_AGO, Database, compare
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# The steps at which `tests/ml/worker.py` can be told to die, and the databases on which dying there
# shows no more than elsewhere.
POINTS = {
    "fitting": ("sqlite",),
    "file_written": ("sqlite", "postgresql"),
    "file_named": ("sqlite", "postgresql"),
    "rows_written": ("postgresql",),
}
TRAINING_SECONDS = 120
MODELS_QUERY = (
    "SELECT id, version, state, digest FROM ml_modelversion"
    " WHERE trained_at >= {mark} ORDER BY version"
)
TRAININGS_QUERY = "SELECT state FROM ml_training WHERE created_at >= {mark}"


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def server(request):
    """A server whose worker knows a learner; no page is looked at."""
    is_postgresql = request.param == "postgresql"
    if is_postgresql and find_binaries() is None:
        pytest.skip(MISSING)
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    with run_stack(request.param, postgresql=cluster, with_web=False, with_worker=False) as stack:
        stack.start(describe_learning_worker(describe_worker(stack.site)))
        train(stack)
        yield stack


def describe_learning_worker(child):
    """The worker's description with `tests/ml/worker.py` instead of the server's application."""
    place = child.argv.index("streamswarm")
    argv = (*child.argv[:place], "tests.ml.worker:application", *child.argv[place + 1 :])
    return replace(child, argv=argv)


def call(server, name):
    code = f"from tests.ml.worker import {name}; print({name}())"
    return server.run_python("-c", code).strip().splitlines()[-1]


def list_models(server):
    return Database.of(server.environment).select(MODELS_QUERY, LONG_AGO)


def list_open(server):
    rows = Database.of(server.environment).select(TRAININGS_QUERY, LONG_AGO)
    return [state for (state,) in rows if state in {"waiting", "running"}]


def train(server):
    call(server, "ask")
    wait_for_end(server)


def wait_for_end(server):
    wait_until(lambda: not list_open(server), seconds=TRAINING_SECONDS, what="the training's end")


def list_champions(server):
    return [version for _id, version, state, _digest in list_models(server) if state == "champion"]


def locate(server, version_id):
    # SQLite gives the id as it stores it, without hyphens.
    (path,) = [
        path
        for path in (server.var_dir / "ml_models").glob("*.npz")
        if path.stem.replace("-", "") == str(version_id).replace("-", "")
    ]
    return path


def judge_files(server, versions):
    """The verdict on versions: each must be there once, its file as it was stored."""
    good = [
        f"version {version}"
        for version_id, version, _state, digest in list_models(server)
        if hashlib.sha256(locate(server, version_id).read_bytes()).hexdigest() == digest
    ]
    return compare({f"version {version}" for version in versions}, good, name=str)


@pytest.mark.parametrize(
    "point",
    [pytest.param(one, marks=pytest.mark.repeats(*kinds)) for one, kinds in POINTS.items()],
)
def test_a_killed_training_leaves_the_champion_and_begins_anew(server, point, fault_journal):
    champions, before = list_champions(server), len(list_models(server))
    mark = server.var_dir / "die_at"
    mark.write_text(point)
    call(server, "ask")
    wait_until(lambda: not mark.exists(), seconds=TRAINING_SECONDS, what="the worker's death")
    killed_at = time.monotonic()
    assert len(list_models(server)) == before
    if not server.database_url:
        # There the worker is one process, which its supervisor starts again.
        server.restart("worker")
    wait_for_end(server)
    verdict = judge_files(server, range(1, before + 2))
    fault_journal.record(
        19,
        f"training killed, {point}",
        verdict,
        recovery_seconds=time.monotonic() - killed_at,
        database="PostgreSQL" if server.database_url else "SQLite",
    )
    assert verdict.is_exactly_once
    assert list_champions(server) == champions == [1]
    assert call(server, "who_answers") == "1"


@pytest.mark.repeats("postgresql")
def test_a_bad_file_answers_nothing_and_says_so(server, fault_journal):
    (version_id, *_others) = list_models(server)[0]
    path = locate(server, version_id)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    answers = {}
    for fault, content in (("changed", bytes(flipped)), ("cut", good[:-50]), ("empty", b"")):
        path.write_bytes(content)
        answers[fault] = call(server, "who_answers")
    path.write_bytes(good)
    verdict = compare(
        set(answers), [one for one in answers if answers[one] == "no model"], name=str
    )
    fault_journal.record(
        19,
        "file changed, cut, emptied",
        verdict,
        runs=3,
        nothing_to_recover="the rules answer at once",
        database="PostgreSQL" if server.database_url else "SQLite",
    )
    assert verdict.is_exactly_once, answers
    assert call(server, "who_answers") == "1"
