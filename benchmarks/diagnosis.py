"""Is the first cause that a diagnosis names the fault that was put in, and what does it cost?

The corpus (tests/ml/corpus) has runs of the agent's probes over networks of namespaces into which
one fault each was put (tests/injection). The rules were tuned on topologies of odd numbers; the
claim is about those of even numbers. Then one question is asked of a server that has thirty tests
on the client and fourteen days of their results; SQLite, or what --database-url names.

    python -m benchmarks.diagnosis [--corpus FILE] [--questions 20]

With --record, as root, the corpus is recorded instead; what the file has already stays.

    python -m benchmarks.diagnosis --record [--corpus FILE]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measuring.causes import Named, build_confusion, find_accuracy, judge_all
from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.injection.cases import read_corpus
from tests.servers.redis import run_redis

CORPUS = Path(__file__).parents[1] / "tests" / "ml" / "corpus" / "cases.jsonl"
HEADER = ("cause put in", "runs", "right first", "recall", "precision", "named instead")
GOAL_RATIO = 0.85
GOAL_SECONDS = 0.2
TESTS, DAYS = 30, 14
EVERY = timedelta(minutes=10)
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ping", {}),
    ("tcp", {"port": 443}),
    ("dns", {"name": "site.example"}),
    ("tls", {}),
    ("trace", {}),
    ("mtu", {}),
)


def print_halves(corpus: Path) -> tuple[list[Named], list[Named]]:
    """Both halves as tables; what was named for each run that was held out, and tuned on."""
    recorded = read_corpus(corpus)
    held_out = judge_all(one for one in recorded if one.is_held_out)
    tuned_on = judge_all(one for one in recorded if not one.is_held_out)
    for title, named in (("tuned on", tuned_on), ("held out", held_out)):
        print(f"{title}: {len(named)} runs, {find_accuracy(named):.1%} right")
        print_table(HEADER, build_confusion(named))
    return held_out, tuned_on


def prepare(folder: Path, redis_url: str, database_url: str | None) -> None:
    """Django over an empty database."""
    os.environ["REDIS_URL"] = redis_url
    os.environ["SWARM_VAR_DIR"] = str(folder)
    os.environ["SWARM_ENV_FILE"] = os.devnull
    os.environ.pop("DATABASE_URL", None)
    if database_url is not None:
        os.environ["DATABASE_URL"] = database_url
    os.environ["DJANGO_SETTINGS_MODULE"] = "streamswarm.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(now: datetime) -> list[Any]:
    """Thirty assignments of one client, five targets, each with its results of fourteen days."""
    from apps.tests.models import Assignment
    from tests.factories.clients import make_client
    from tests.factories.tests import make_assignment

    client = make_client("host", last_heartbeat_at=now, presence="online")
    assignments = []
    for number in range(TESTS):
        kind, parameters = KINDS[number % len(KINDS)]
        target = f"192.0.2.{number // len(KINDS) + 1}"
        assignments.append(
            make_assignment(
                client, f"{kind} {target}", kind=kind, target=target, parameters=parameters
            )
        )
        store_results(assignments[-1], now)
    Assignment.objects.update(last_run_at=now, last_is_success=True)
    return assignments


def store_results(assignment: Any, now: datetime) -> None:
    from uuid import uuid4

    from apps.tests.models import Result, Run

    count = int(timedelta(days=DAYS) / EVERY)
    moments = [now - EVERY * place for place in range(count)]
    runs = Run.objects.bulk_create(
        [
            Run(
                id=uuid4(),
                assignment=assignment,
                schedule_revision=1,
                start_at=at,
                end_at=at,
                state=Run.State.FINISHED,
            )
            for at in moments
        ],
        batch_size=500,
    )
    values = {
        f"net.rtt.{name}": 0.02 for name in ("min", "median", "p95", "p99", "max", "mean")
    } | {f"net.figure.{number}": float(number) for number in range(20)}
    document = {"hops": [{"ttl": 1, "loss_ratio": 0.0, "stations": [{"address": "192.0.2.254"}]}]}
    Result.objects.bulk_create(
        [
            Result(
                run=run,
                received_at=run.start_at,
                started_at=run.start_at,
                finished_at=run.start_at,
                outcome=Result.Outcome.COMPLETED,
                is_success=True,
                values=values,
                document=document,
            )
            for run in runs
        ],
        batch_size=500,
    )


def time_questions(assignments: Sequence[Any], count: int) -> tuple[list[float], list[float]]:
    """Processor and wall seconds of so many questions: about a test, and about the client."""
    from apps.ml.services.diagnosing import diagnose_client, diagnose_test

    spent: list[float] = []
    passed: list[float] = []
    for number in range(count):
        spent_before, passed_before = time.process_time(), time.perf_counter()
        if number % 2:
            diagnose_client(assignments[0].client, asked_by=None)
        else:
            diagnose_test(assignments[number % len(assignments)], asked_by=None)
        spent.append(time.process_time() - spent_before)
        passed.append(time.perf_counter() - passed_before)
    return spent, passed


def measure_questions(count: int, database_url: str | None) -> Claim:
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        prepare(Path(name), redis_url, database_url)
        from apps.core.clock import read_now

        assignments = fill(read_now())
        spent, passed = time_questions(assignments, count)
    of_test, of_client = spent[::2], spent[1::2]
    print_table(
        ("question about", "processor ms, median", "worst", "wall ms, median"),
        [
            (name, *(f"{one * 1000:.0f}" for one in figures))
            for name, figures in (
                (
                    "a test",
                    (statistics.median(of_test), max(of_test), statistics.median(passed[::2])),
                ),
                (
                    "the client",
                    (statistics.median(of_client), max(of_client), statistics.median(passed[1::2])),
                ),
            )
        ],
    )
    return Claim(
        claim=f"processor time of one diagnosis, {TESTS} tests with {DAYS} days of results",
        value=round(statistics.median(spent), 3),
        unit="s",
        goal=GOAL_SECONDS,
        better="lower",
        beside={"worst": round(max(spent), 3), "median_wall": round(statistics.median(passed), 3)},
    )


def claim_accuracy(held_out: Sequence[Named], tuned_on: Sequence[Named]) -> Claim:
    return Claim(
        claim="right first causes in the half of the corpus that rules were not tuned on",
        value=round(find_accuracy(held_out), 3),
        unit="ratio",
        goal=GOAL_RATIO,
        better="higher",
        beside={
            "runs": len(held_out),
            "tuned_on": round(find_accuracy(tuned_on), 3),
            "named_at_all": round(
                sum(one.truth in {*one.causes, one.first} for one in held_out) / len(held_out), 3
            ),
            "judging_ms": round(
                statistics.mean(one.seconds for one in (*held_out, *tuned_on)) * 1000, 2
            ),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--record", action="store_true", help="record the corpus, as root")
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--database-url", help="of an empty database; SQLite without it")
    arguments = parser.parse_args()
    if arguments.record:
        from tests.injection.recording import record_corpus

        record_corpus(arguments.corpus)
        return
    held_out, tuned_on = print_halves(arguments.corpus)
    cost = measure_questions(arguments.questions, arguments.database_url)
    finish_all(claim_accuracy(held_out, tuned_on), cost)


if __name__ == "__main__":
    main()
