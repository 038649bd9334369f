"""Runs benchmarks one after the other: those that are named, else all of them.

A missed goal, or a benchmark that breaks, stops nothing; the end names each and leaves with 1.

    python -m benchmarks [NAME ...]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from benchmarks.measuring.report import Claim

FOLDER = Path(__file__).resolve().parent
CLAIM_MEMBERS = {field.name for field in fields(Claim)}
GOALS_MET, GOALS_MISSED = 0, 1

# Runs a command and says how it ended; each line of its output is yielded before that.
Run = Callable[[Sequence[str]], Iterator[str | int]]


def list_benchmarks() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("__"))


def run_program(argv: Sequence[str]) -> Iterator[str | int]:
    with subprocess.Popen(argv, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True) as process:
        yield from process.stdout or ()
    yield process.returncode


def run_benchmark(name: str, run: Run) -> list[str]:
    """A sentence for each goal that it missed, or one for how it broke; its output is shown."""
    claims: list[Claim] = []
    code = GOALS_MET
    for line in run([sys.executable, "-m", f"benchmarks.{name}"]):
        if isinstance(line, int):
            code = line
            continue
        print(line, end="", flush=True)
        claim = read_claim(line)
        if claim is not None:
            claims.append(claim)
    missed = [f"{name}: {describe_miss(claim)}" for claim in claims if not claim.is_met]
    if code == GOALS_MET or (code == GOALS_MISSED and missed):
        return missed
    return [*missed, f"{name}: ended with exit code {code}"]


def read_claim(line: str) -> Claim | None:
    """The claim that the line says; None for any other line."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    is_claim = isinstance(row, dict) and set(row) == CLAIM_MEMBERS
    return Claim(**row) if is_claim else None


def describe_miss(claim: Claim) -> str:
    limit = "at least" if claim.better == "higher" else "at most"
    return f"{claim.claim}: {claim.value} {claim.unit}, goal {limit} {claim.goal}"


def run_all(names: Sequence[str], run: Run = run_program) -> int:
    """Run all of them; 1 when any goal was missed or any benchmark broke, else 0."""
    failures = []
    for name in names:
        print(f"== {name}", flush=True)
        failures += run_benchmark(name, run)
    print(f"== {len(names)} benchmarks, {len(failures)} goals missed or not measured")
    for failure in failures:
        print(failure)
    return GOALS_MISSED if failures else GOALS_MET


def main() -> None:
    parser = argparse.ArgumentParser(description="Run benchmarks, and say which goals they missed.")
    known = list_benchmarks()
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)}")
    names = parser.parse_args().names
    unknown = set(names) - set(known)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    sys.exit(run_all(names or known))


if __name__ == "__main__":
    main()
