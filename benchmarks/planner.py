"""Processor time of one tick of the planner, with a thousand clients that run twenty tests each.

The server is filled by its services on a SQLite of its own and has planned everything once, as
after a start. Then minutes of ticks go by: the clock is moved, every tick runs, and each is
measured in processor seconds of this process, in which SQLite works too. Beside it stands the tick
after a start, which finds nothing planned and takes the first of its share.

    python -m benchmarks.planner [--clients 1000] [--tests 20] [--minutes 20]
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measuring.report import Claim, finish, print_table
from tests.servers.redis import run_redis

GOAL_SECONDS = 1.0
TICK = timedelta(seconds=5)


def prepare(folder: Path, redis_url: str) -> None:
    """Django over an empty database in the folder."""
    os.environ["REDIS_URL"] = redis_url
    os.environ["SWARM_VAR_DIR"] = str(folder)
    os.environ["SWARM_ENV_FILE"] = os.devnull
    os.environ.pop("DATABASE_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "streamswarm.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def tick(moment: datetime) -> tuple[float, int]:
    """Processor seconds of the tick and how many runs it made."""
    from apps.tests.services import plan_runs

    began = time.process_time()
    made = plan_runs(now=moment)
    return time.process_time() - began, made


def forget_plans() -> None:
    from apps.tests.models import Assignment, Run

    Run.objects.all().delete()
    Assignment.objects.update(planned_until=None, planned_at=None, plan_again_at=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        prepare(Path(name), redis_url)
        from apps.core.clock import read_now
        from apps.tests.models import Assignment
        from tests.population import populate

        populate(clients=arguments.clients, tests=arguments.tests, with_results=False)
        forget_plans()
        moment = read_now()
        first_seconds, first_made = tick(moment)
        ticks_to_fill = 1
        while Assignment.objects.filter(planned_until=None).exists():
            moment += TICK
            tick(moment)
            ticks_to_fill += 1
        moment += TICK
        steady_seconds, steady_made = tick(moment)
        measured = []
        for _number in range(arguments.minutes * 60 // int(TICK.total_seconds())):
            moment += TICK
            measured.append(tick(moment))
    seconds = [one for one, _made in measured]
    worst_seconds, worst_made = max(measured)
    median = statistics.median(seconds)
    print_table(
        ("tick", "processor seconds", "runs made"),
        (
            ("first after a start", f"{first_seconds:.3f}", first_made),
            ("5 s after all is planned", f"{steady_seconds:.3f}", steady_made),
            (f"median of {len(measured)}", f"{median:.3f}", ""),
            (f"worst of {len(measured)}", f"{worst_seconds:.3f}", worst_made),
        ),
    )
    finish(
        Claim(
            claim="processor time of the planner's worst tick, 1,000 clients x 20 tests",
            value=round(max(first_seconds, worst_seconds), 3),
            unit="s",
            goal=GOAL_SECONDS,
            better="lower",
            beside={
                "steady": round(steady_seconds, 4),
                "median": round(median, 4),
                "first": round(first_seconds, 3),
                "ticks until all is planned": ticks_to_fill,
            },
        )
    )


if __name__ == "__main__":
    main()
