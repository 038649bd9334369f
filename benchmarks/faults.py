"""kill -9 of every process at random moments: how much is lost, doubled, and how long until well.

Two installations in full swing, on SQLite and on PostgreSQL. After each kill a round waits until
all processes run again, the server is ready, scheduled work flows and everything measured up to
then is stored; that is the time to recover. tests/faults/rounds.py does the killing.

    python -m benchmarks.faults [--rounds 20]
"""

import argparse
import statistics

from benchmarks.measuring.report import Claim, finish, print_table
from tests.faults.oracle import Verdict
from tests.faults.rounds import VICTIMS, DatabaseKind, Round, run_installation, run_rounds, settle

HEADER = ("database", "killed", "rounds", "measured", "lost", "doubled", "median s", "longest s")


def summarise(kind: DatabaseKind, victim: str, rounds: list[Round]) -> tuple[object, ...]:
    recoveries = [item.recovery_seconds for item in rounds]
    return (
        kind,
        victim,
        len(rounds),
        sum(item.measured for item in rounds),
        sum(item.lost for item in rounds),
        sum(item.doubled for item in rounds),
        f"{statistics.median(recoveries):.1f}",
        f"{max(recoveries):.1f}",
    )


def measure(kind: DatabaseKind, count: int) -> tuple[list[Round], Verdict, int]:
    """The rounds, the verdict on all that was measured, and how many records came in again."""
    with run_installation(kind) as installation:
        rounds = run_rounds(installation, VICTIMS[kind], count)
        return rounds, settle(installation), installation.database.count_duplicates()


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds of kill -9, judged by the ledger.")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    table: list[tuple[object, ...]] = []
    all_rounds: list[Round] = []
    verdicts: list[Verdict] = []
    sent_again = 0
    for kind, victims in VICTIMS.items():
        rounds, verdict, duplicates = measure(kind, arguments.rounds)
        all_rounds += rounds
        verdicts.append(verdict)
        sent_again += duplicates
        for victim in victims:
            of_victim = [item for item in rounds if item.victim == victim]
            table.append(summarise(kind, victim, of_victim))
    print_table(HEADER, table)
    lost = sum(item.lost for item in all_rounds) + sum(len(item.lost) for item in verdicts)
    doubled = sum(item.doubled for item in all_rounds) + sum(item.doubled for item in verdicts)
    finish(
        Claim(
            claim="measurements lost or doubled by kill -9",
            value=lost + doubled + sum(len(item.unlisted) for item in verdicts),
            unit="count",
            goal=0,
            better="lower",
            beside={
                "lost": lost,
                "doubled": doubled,
                "kills": len(all_rounds),
                "measured": sum(item.measured for item in verdicts),
                "sent_again": sent_again,
                "longest_recovery_seconds": round(
                    max(item.recovery_seconds for item in all_rounds), 1
                ),
            },
        )
    )


if __name__ == "__main__":
    main()
