"""Runs the tests on SQLite, beside them those that use the database on PostgreSQL, and counts both.

What shows no more than others is left out, and properties are tried with fewer examples; `--all`
as the first argument leaves nothing out.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_PROCESSES = 6
NO_TESTS_LEFT = 5
ALL = "--all"
# Nothing of the agent's tests and of these runs there, so that nobody need load them
# (tests/plugin.py).
NEVER_ON_POSTGRESQL = ("tests/browser", "tests/dashboard")


@dataclass(frozen=True, slots=True)
class Round:
    """One run of pytest over a database."""

    name: str
    arguments: tuple[str, ...]
    # What a choice of tests cannot keep.
    whole_arguments: tuple[str, ...] = ()
    # How many processes more than there are processors.
    more_processes: int = 0
    # How far it stands back when the processors have something else to do.
    niceness: int = 0
    # Whether what it prints is seen at once, not only when it is over.
    is_shown: bool = False


ROUNDS = (
    # Many of its tests wait for the programs they started: meanwhile the other round computes.
    Round("SQLite", ("-m", "not postgresql"), ("--emitted",), more_processes=2, is_shown=True),
    Round(
        "PostgreSQL",
        ("--database=postgresql",),
        ("tests", *(f"--ignore={folder}" for folder in NEVER_ON_POSTGRESQL)),
        niceness=5,
    ),
)


def count_processes(tests: Round) -> int:
    return min((os.cpu_count() or 2) + tests.more_processes, MOST_PROCESSES)


def build_argv(
    tests: Round, extra_arguments: Sequence[str], *, tally: Path, is_quick: bool
) -> list[str]:
    extent = ("--quick",) if is_quick else ()
    processes = str(count_processes(tests))
    parallel = ("-n", processes, "--dist", "loadfile", "--no-loadscope-reorder")
    chosen = extra_arguments or tests.whole_arguments
    program = ("nice", "-n", str(tests.niceness), sys.executable, "-m", "pytest", "-q")
    return [*program, *extent, f"--tally={tally}", *parallel, *tests.arguments, *chosen]


def run_round(
    tests: Round, extra_arguments: Sequence[str], *, is_quick: bool
) -> tuple[int, Counter[str], str]:
    """Pytest's exit code, how many tests passed, failed and were skipped, and what is to be shown.

    What a shown round printed has been seen, and is empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally.json"
        result = subprocess.run(
            build_argv(tests, extra_arguments, tally=tally, is_quick=is_quick),
            cwd=ROOT,
            check=False,
            stdout=None if tests.is_shown else subprocess.PIPE,
            stderr=None if tests.is_shown else subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        counts = Counter(json.loads(tally.read_text())[tests.name]) if tally.exists() else Counter()
    is_empty_by_choice = result.returncode == NO_TESTS_LEFT and bool(extra_arguments)
    return 0 if is_empty_by_choice else result.returncode, counts, result.stdout or ""


def describe(counts: Counter[str]) -> str:
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['passed']} passed{failed}{skipped}"


@contextmanager
def share_databases() -> Iterator[None]:
    """Both rounds copy what one of them migrates (tests/servers/prepared.py)."""
    with tempfile.TemporaryDirectory(prefix="swarm-prepared-") as folder:
        # PostgreSQL's account reads it as well.
        Path(folder).chmod(0o755)
        os.environ["TESTS_PREPARED_FOLDER"] = folder
        yield


def keep_bytecode() -> None:
    """Every process of a run would otherwise compile all files of tests and server for itself."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def main(arguments: Sequence[str]) -> int:
    is_quick = ALL not in arguments[:1]
    extra_arguments = arguments if is_quick else arguments[1:]
    total: Counter[str] = Counter()
    parts, exit_codes = [], []
    keep_bytecode()
    if is_quick:
        os.environ.setdefault("HYPOTHESIS_PROFILE", "quick")
    run = partial(run_round, extra_arguments=extra_arguments, is_quick=is_quick)
    with share_databases(), ThreadPoolExecutor(len(ROUNDS)) as threads:
        for tests, (exit_code, counts, output) in zip(
            ROUNDS, threads.map(run, ROUNDS), strict=True
        ):
            print(output, end="", flush=True)
            exit_codes.append(exit_code)
            total += counts
            parts.append(f"on {tests.name}: {describe(counts)}")
    is_good = not any(exit_codes)
    print(f"\ntests {'; '.join(parts)}")
    if not is_good and not total["failed"]:
        print(f"pytest itself failed with exit codes {exit_codes}; its output above says why")
    print(f"{total['passed']} passed, {total['failed']} failed")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
