"""Simulated clients on PostgreSQL through the real stack: is the ledger equal to the database?

Every client enrols, then sends a frame of 60 values a second over its own connection; the command
writes down each frame that the server said it stored. Redis, web server, worker and beat run.

    python -m benchmarks.simulated_clients [--clients 200] [--rate 1] [--duration 300]
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.measuring.report import Claim, finish, print_table
from tests.flows.api_user import become_admin
from tests.flows.simulation import Simulation, simulate
from tests.servers.postgresql import start_cluster
from tests.servers.stack import run_stack


def measure(arguments: argparse.Namespace) -> tuple[Simulation, float]:
    """The simulation, and the processor seconds of web server and PostgreSQL it took."""
    cluster = start_cluster()
    try:
        with (
            run_stack("postgresql", postgresql=cluster) as stack,
            tempfile.TemporaryDirectory() as folder,
        ):
            admin = become_admin(stack)
            process_ids = [stack.children["web"].process_id, cluster.process.pid]
            before = read_tree_seconds(process_ids)
            simulation = simulate(
                stack,
                admin,
                Path(folder) / "ledger",
                clients=arguments.clients,
                rate_per_second=arguments.rate,
                duration_seconds=arguments.duration,
            )
            return simulation, read_tree_seconds(process_ids) - before
    finally:
        cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Ledger and database of simulated clients.")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--duration", type=float, default=300.0)
    arguments = parser.parse_args()
    simulation, processor_seconds = measure(arguments)
    summary, verdict = simulation.summary, simulation.verdict
    if simulation.complaint:
        print(simulation.complaint)
    shown = {
        **{name: summary[name] for name in ("clients", "duration_seconds", "requests", "errors")},
        "frames in the ledger": verdict.measured,
        "frames in the database": verdict.stored,
        "equal": verdict.is_exactly_once,
        "latency p50 / p99 ms": f"{summary['latency_p50_ms']} / {summary['latency_p99_ms']}",
        "CPU s of web and PostgreSQL": f"{processor_seconds:.1f}",
    }
    print_table(("figure", "seen"), list(shown.items()))
    wrong = len(verdict.lost) + verdict.doubled + len(verdict.unlisted) + summary["errors"]
    finish(
        Claim(
            claim="errors, and frames in which ledger and database differ",
            value=wrong if simulation.exit_code == 0 else max(wrong, 1),
            unit="count",
            goal=0,
            better="lower",
            beside={
                "ledger_frames": verdict.measured,
                "database_frames": verdict.stored,
                "requests_per_second": summary["requests_per_second"],
                "latency_p99_ms": summary["latency_p99_ms"],
            },
        )
    )


if __name__ == "__main__":
    main()
