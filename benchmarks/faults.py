"""kill -9 of every process at random moments: how much is lost, doubled, and how long until well.

Two installations in full swing, on SQLite and on PostgreSQL. After each kill a round waits until
all processes run again, the server is ready, scheduled work flows and everything measured up to
then is stored; that is the time to recover. Then the same kills under the load of many clients,
judged by what was acknowledged. tests/faults/rounds.py and load.py do the killing.

    python -m benchmarks.faults [--rounds 20]
"""

import argparse
import statistics
from dataclasses import dataclass, field

from benchmarks.measuring.report import Claim, finish, print_table
from tests.faults.load import STRUCK_UNDER_LOAD, strike_under_load
from tests.faults.oracle import Verdict
from tests.faults.rounds import VICTIMS, DatabaseKind, Round, run_installation, run_rounds, settle

HEADER = ("database", "killed", "rounds", "measured", "lost", "doubled", "median s", "longest s")


@dataclass(slots=True)
class Account:
    """What all rounds together came to."""

    table: list[tuple[object, ...]] = field(default_factory=list)
    kills: int = 0
    longest_recovery_seconds: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)

    def add_rounds(self, kind: DatabaseKind, rounds: list[Round]) -> None:
        for victim in VICTIMS[kind]:
            of_victim = [item for item in rounds if item.victim == victim]
            self.table.append(summarise(kind, victim, of_victim))
        self.kills += len(rounds)
        recoveries = (item.recovery_seconds for item in rounds)
        self.longest_recovery_seconds = max(self.longest_recovery_seconds, *recoveries)

    def add_load(self, kind: DatabaseKind, rounds: int, verdict: Verdict) -> None:
        victims = STRUCK_UNDER_LOAD[kind]
        name = f"{' and '.join(victims)} under load"
        lost, doubled = len(verdict.lost), verdict.doubled
        row = (kind, name, rounds * len(victims), verdict.measured, lost, doubled, "", "")
        self.table.append(row)
        self.kills += rounds * len(victims)

    def make_claim(self) -> Claim:
        lost = sum(len(item.lost) for item in self.verdicts)
        doubled = sum(item.doubled for item in self.verdicts)
        return Claim(
            claim="measurements lost, doubled or invented by kill -9",
            value=lost + doubled + sum(len(item.unlisted) for item in self.verdicts),
            unit="count",
            goal=0,
            better="lower",
            beside={
                "lost": lost,
                "doubled": doubled,
                "kills": self.kills,
                "measured": sum(item.measured for item in self.verdicts),
                "longest_recovery_seconds": round(self.longest_recovery_seconds, 1),
            },
        )


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Rounds of kill -9, judged by the ledger.")
    parser.add_argument("--rounds", type=int, default=20)
    count = parser.parse_args().rounds
    account = Account()
    for kind, victims in VICTIMS.items():
        with run_installation(kind) as installation:
            account.add_rounds(kind, run_rounds(installation, victims, count))
            account.verdicts.append(settle(installation))
        simulation = strike_under_load(kind, count)
        account.add_load(kind, count, simulation.verdict)
        account.verdicts.append(simulation.verdict)
    print_table(HEADER, account.table)
    finish(account.make_claim())


if __name__ == "__main__":
    main()
