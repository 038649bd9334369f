"""The same work on this product, Zabbix 6.0, Prometheus 2.42 and InfluxDB 1.6, in one run.

200 clients x 60 metrics from two sending processes, 4 frames and then 1 frame a request, bodies
made beforehand. Processor time is that of all processes of a system, its PostgreSQL included; the
benchmark's own questions are left out. Values count when they can be seen, not when they are
acknowledged. Then: how soon a single frame is seen, how much of late data (10 minutes to 6 days) is
taken, and what is left of a burst when everything, database included, is killed with -9 straight
after the last answer. Peers come from Debian's packages, unpacked into a temporary folder.

    python -m benchmarks.beside_peers [--quick] [--only ours,zabbix]
"""

import argparse
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from benchmarks.measuring.report import Claim, finish_all, print_table
from benchmarks.peers.influxdb import run_influxdb
from benchmarks.peers.measuring import Amount, Measured, Throughput, measure_system
from benchmarks.peers.ours import run_ours
from benchmarks.peers.packages import PeerMissingError
from benchmarks.peers.prometheus import run_prometheus
from benchmarks.peers.system import System
from benchmarks.peers.zabbix import run_zabbix

WHOLE = Amount(requests=3000, burst_requests=1000)
QUICK = Amount(requests=600, burst_requests=300)
SYSTEMS: dict[str, Callable[[], AbstractContextManager[System]]] = {
    "ours": run_ours,
    "zabbix": run_zabbix,
    "prometheus": run_prometheus,
    "influxdb": run_influxdb,
}
HEADER = (
    "system",
    "frames/request",
    "values/s seen",
    "requests/s",
    "values/CPU s",
    "peak PSS MB",
    "B/value disk",
    "B/value wire",
    "kept after kill -9",
    "late taken",
    "s to seen",
)
SHARES_HEADER = ("system", "frames/request", "requests", "CPU s by program", "CPU ms/request")
GOAL_AT_FOUR = 1.0
GOAL_AT_ONE = 0.5
GOAL_DISK = 0.2
GOAL_VISIBLE_SECONDS = 1.0


def measure_all(names: Iterable[str], amount: Amount) -> tuple[dict[str, Measured], dict[str, str]]:
    """The figures of each system, and of those that are not to be had the reason."""
    measured, missing = {}, {}
    for name in names:
        try:
            with SYSTEMS[name]() as system:
                measured[name] = measure_system(system, amount)
        except PeerMissingError as error:
            missing[name] = str(error)
    return measured, missing


def list_rows(measured: Measured) -> list[tuple[object, ...]]:
    promises = measured.promises
    kept = f"{promises.kept_share:.1%} of {promises.acknowledged:,}"
    closing = (kept, f"{promises.late_share:.0%}", f"{promises.visible_seconds:.3f}")
    rows = [describe(measured.name, one) for one in measured.throughputs.values()]
    return [(*rows[0], *closing), *((*row, "", "", "") for row in rows[1:])]


def describe(name: str, one: Throughput) -> tuple[object, ...]:
    return (
        name,
        one.frames_per_request,
        f"{one.values_per_second:,.0f}",
        f"{one.requests_per_second:,.0f}",
        f"{one.values_per_processor_second:,.0f}",
        f"{one.peak_megabytes:,.0f}",
        f"{one.disk_bytes / one.values:.1f}",
        f"{one.wire_bytes / one.values:.1f}",
    )


def list_shares(measured: Measured) -> list[tuple[object, ...]]:
    """Where the processor time went."""
    rows: list[tuple[object, ...]] = []
    for one in measured.throughputs.values():
        used = one.processor_seconds
        named = ", ".join(f"{name} {seconds:.1f}" for name, seconds in used.items())
        mean_ms = sum(used.values()) / one.requests * 1000
        rows.append((measured.name, one.frames_per_request, one.requests, named, f"{mean_ms:.2f}"))
    return rows


def list_claims(ours: Measured, zabbix: Measured | None) -> list[Claim]:
    claims = [] if zabbix is None else list_claims_beside(ours, zabbix)
    promises = ours.promises
    seen = Claim(
        claim="seconds from an answer until its values are seen",
        value=round(promises.visible_seconds, 3),
        unit="s",
        goal=GOAL_VISIBLE_SECONDS,
        better="lower",
    )
    lost = Claim(
        claim="acknowledged values that kill -9 of server and database lost",
        value=promises.acknowledged - promises.kept,
        unit="count",
        goal=0,
        better="lower",
        beside={"acknowledged": promises.acknowledged},
    )
    if zabbix is not None:
        seen.beside["zabbix"] = round(zabbix.promises.visible_seconds, 3)
        lost.beside["zabbix_lost"] = zabbix.promises.acknowledged - zabbix.promises.kept
    return [*claims, seen, lost]


def list_claims_beside(ours: Measured, zabbix: Measured) -> list[Claim]:
    claims = []
    for frames, goal in ((4, GOAL_AT_FOUR), (1, GOAL_AT_ONE)):
        mine = ours.throughputs[frames].values_per_processor_second
        theirs = zabbix.throughputs[frames].values_per_processor_second
        claims.append(
            Claim(
                claim=f"values per CPU-second at {frames} frames a request, against Zabbix",
                value=round(mine / theirs, 2),
                unit="ratio",
                goal=goal,
                better="higher",
                beside={"ours": round(mine), "zabbix": round(theirs)},
            )
        )
    mine, theirs = (
        one.throughputs[4].disk_bytes / one.throughputs[4].values for one in (ours, zabbix)
    )
    disk = Claim(
        claim="bytes on disk for each value, against Zabbix",
        value=round(mine / theirs, 3),
        unit="ratio",
        goal=GOAL_DISK,
        better="lower",
        beside={"ours": round(mine, 1), "zabbix": round(theirs, 1)},
    )
    return [*claims, disk]


def main() -> None:
    parser = argparse.ArgumentParser(description="The same work on this product and on peers.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work, less InfluxDB")
    parser.add_argument("--only", metavar="SYSTEMS", help=f"some of {','.join(SYSTEMS)}")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(SYSTEMS)
    if arguments.quick and not arguments.only:
        names.remove("influxdb")
    unknown = set(names) - set(SYSTEMS)
    if unknown or "ours" not in names:
        parser.error(f"--only: some of {', '.join(SYSTEMS)}, ours among them")
    began = time.monotonic()
    measured, missing = measure_all(names, QUICK if arguments.quick else WHOLE)
    print_table(HEADER, [row for one in measured.values() for row in list_rows(one)])
    print_table(SHARES_HEADER, [row for one in measured.values() for row in list_shares(one)])
    for name, reason in missing.items():
        print(f"{name}: not measured, {reason}")
    print(f"{time.monotonic() - began:.0f} s in all")
    finish_all(*list_claims(measured["ours"], measured.get("zabbix")))


if __name__ == "__main__":
    main()
