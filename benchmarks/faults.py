"""Faults at random moments: how much is lost, doubled, and how long until all is well again.

Installations on SQLite and on PostgreSQL, in full swing, with a measuring host beside the server
and one behind a line. Each run lets one fault of tests/faults/strikes.py happen at a random moment;
it is over when the server is ready, the hosts measure and everything measured up to then is stored:
that is the time to recover, the fault's own duration included. In the end each installation is
judged as a whole. Runs are noted in a journal, from which an interrupted campaign goes on.

With --rounds, kill -9 of everything under `manage.py up` and under the load of many clients follows
(tests/faults/rounds.py and load.py).

    python -m benchmarks.faults [--runs 100] [--journal FILE] [--rounds 20]

With --table, nothing is struck: the rows of the fault matrix are printed as one table, from what
`make faults` noted in that file and, with --journal, from the runs of a campaign.

    python -m benchmarks.faults --table FILE [--journal FILE]
"""

import argparse
import logging
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measuring.report import Claim, finish, print_table
from tests.faults.journal import HEADER as ROW_HEADER
from tests.faults.journal import build_table as build_row_table
from tests.faults.journal import describe_run, list_remarks, read_notes
from tests.faults.load import STRUCK_UNDER_LOAD, strike_under_load
from tests.faults.random_runs import Campaign, FaultRun, Journal, describe_round
from tests.faults.rounds import VICTIMS, DatabaseKind, run_installation, run_rounds, settle

HEADER = (
    "row", "fault", "database", "runs", "measured", "lost", "doubled", "median s", "longest s",
)  # fmt: skip
SITES: tuple[DatabaseKind, ...] = ("sqlite", "postgresql")


def summarise(runs: Sequence[FaultRun]) -> tuple[object, ...]:
    recoveries = [run.recovery_seconds for run in runs]
    return (
        runs[0].row or "",
        runs[0].fault,
        runs[0].database,
        len(runs),
        sum(run.measured for run in runs),
        sum(run.lost for run in runs),
        sum(run.doubled for run in runs),
        f"{statistics.median(recoveries):.1f}",
        f"{max(recoveries):.1f}",
    )


def build_table(runs: Iterable[FaultRun]) -> list[tuple[object, ...]]:
    groups: dict[tuple[bool, int, str, str], list[FaultRun]] = {}
    for run in runs:
        key = (run.is_summary, run.row, run.fault, run.database)
        groups.setdefault(key, []).append(run)
    return [summarise(groups[key]) for key in sorted(groups)]


def run_supervised_rounds(count: int) -> list[FaultRun]:
    """So many kills of each process that a supervisor keeps, and the same under load."""
    runs: list[FaultRun] = []
    for kind, victims in VICTIMS.items():
        with run_installation(kind) as installation:
            rounds = run_rounds(installation, victims, count)
            runs += [describe_round(kind, item) for item in rounds]
            settle(installation)
        struck = strike_under_load(kind, count)
        verdict = struck.simulation.verdict
        runs.append(
            FaultRun(
                fault=f"{' and '.join(STRUCK_UNDER_LOAD[kind])} killed under load",
                row=2,
                database=kind,
                measured=verdict.measured,
                lost=len(verdict.lost),
                doubled=verdict.doubled,
                unlisted=len(verdict.unlisted),
                recovery_seconds=round(struck.recovery_seconds, 2),
            )
        )
    return runs


def make_claim(runs: Sequence[FaultRun]) -> Claim:
    faults = [run for run in runs if not run.is_summary]
    lost, doubled = sum(run.lost for run in runs), sum(run.doubled for run in runs)
    unlisted = sum(run.unlisted for run in runs)
    not_well = sum(not run.measured for run in runs)
    return Claim(
        claim="measurements lost, doubled or invented by random faults",
        value=lost + doubled + unlisted + not_well,
        unit="count",
        goal=0,
        better="lower",
        beside={
            "lost": lost,
            "doubled": doubled,
            "unlisted": unlisted,
            "not_well": not_well,
            "faults": len(faults),
            "measured": sum(run.measured for run in faults),
            "longest_recovery_seconds": max((run.recovery_seconds for run in faults), default=0.0),
        },
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Random faults, judged by the ledger.")
    parser.add_argument(
        "--runs", type=int, default=100, help="faults in all, earlier ones included"
    )
    parser.add_argument("--journal", type=Path, help="file of the runs so far; goes on from there")
    parser.add_argument("--rounds", type=int, default=0, help="kills of each supervised process")
    parser.add_argument("--table", type=Path, help="print what the tests noted in this file")
    parser.add_argument("--verbose", action="store_true", help="a line for each run")
    return parser.parse_args()


def print_matrix(notes_file: Path, runs: Iterable[FaultRun]) -> None:
    """All rows of the matrix, from the notes of tests and the runs of a campaign together."""
    notes = read_notes(notes_file)
    entries = [*notes.entries, *(describe_run(run) for run in runs if run.row)]
    print_table(ROW_HEADER, build_row_table(entries))
    print("\n".join((*list_remarks(entries), *(f"failed: {test}" for test in notes.failed))))


def main() -> None:
    arguments = parse_arguments()
    if arguments.table is not None:
        print_matrix(arguments.table, Journal(arguments.journal).runs)
        return
    level = logging.INFO if arguments.verbose else logging.ERROR
    logging.basicConfig(level=level, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    journal = Journal(arguments.journal)
    Campaign(SITES, runs=arguments.runs, journal=journal).run()
    runs = [*journal.runs, *(run_supervised_rounds(arguments.rounds) if arguments.rounds else ())]
    print_table(HEADER, build_table(runs))
    for run in runs:
        if not run.is_clean:
            print(f"not clean: {run}")
    finish(make_claim(runs))


if __name__ == "__main__":
    main()
