"""Runs the tests on SQLite and those that use the database again on PostgreSQL, and counts both.

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
from contextlib import contextmanager
from dataclasses import dataclass
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


ROUNDS = (
    Round("SQLite", ("-m", "not postgresql"), ("--emitted",)),
    Round(
        "PostgreSQL",
        ("--database=postgresql",),
        ("tests", *(f"--ignore={folder}" for folder in NEVER_ON_POSTGRESQL)),
    ),
)


def count_processes() -> int:
    # Two more than there are processors: many tests wait for the programs they started.
    return min((os.cpu_count() or 2) + 2, MOST_PROCESSES)


def run_round(
    tests: Round, extra_arguments: Sequence[str], *, is_quick: bool
) -> tuple[int, Counter[str]]:
    """Pytest's exit code and how many tests passed, failed and were skipped on the database."""
    extent = ("--quick",) if is_quick else ()
    parallel = ("-n", str(count_processes()), "--dist", "loadfile", "--no-loadscope-reorder")
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally.json"
        argv = [sys.executable, "-m", "pytest", "-q", *extent, f"--tally={tally}", *parallel]
        chosen = extra_arguments or tests.whole_arguments
        result = subprocess.run([*argv, *tests.arguments, *chosen], cwd=ROOT, check=False)
        counts = Counter(json.loads(tally.read_text())[tests.name]) if tally.exists() else Counter()
    is_empty_by_choice = result.returncode == NO_TESTS_LEFT and bool(extra_arguments)
    return 0 if is_empty_by_choice else result.returncode, counts


def describe(counts: Counter[str]) -> str:
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['passed']} passed{failed}{skipped}"


@contextmanager
def share_databases() -> Iterator[None]:
    """Both rounds copy what the first one migrates (tests/servers/prepared.py)."""
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
    with share_databases():
        for tests in ROUNDS:
            exit_code, counts = run_round(tests, extra_arguments, is_quick=is_quick)
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
