"""Well-known probers, run from the near end of the bridge; their figures stand beside ours."""

import re
import shutil
from dataclasses import dataclass

TIMEOUT_SECONDS = 120
PING_REPLY = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms( \(DUP!\))?")
PING_SENT = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """What a prober said; round trips in ms, a reply's number as it came in."""

    sent_count: int
    received_count: int
    round_trips_ms: list[float]
    sequence_numbers: list[int]
    duplicate_count: int = 0


def run_ping(bridge, *, count, interval_seconds=0.01, options=()):
    """Iputils ping."""
    argv = [
        "ping", "-n", "-c", str(count), "-i", str(interval_seconds), "-W", "1", *options,
        bridge.far.ipv4,
    ]  # fmt: skip
    printed = bridge.run_in("near", argv, timeout=TIMEOUT_SECONDS, good_codes=(0, 1))
    replies = PING_REPLY.findall(printed)
    firsts = [reply for reply in replies if not reply[2]]
    sent_count, received_count = map(int, PING_SENT.search(printed).groups())
    return PeerFigures(
        sent_count,
        received_count,
        [float(milliseconds) for _, milliseconds, _ in firsts],
        [int(number) for number, _, _ in firsts],
        len(replies) - len(firsts),
    )


def run_fping(bridge, *, count, interval_seconds=0.01):
    """Fping, which with -C prints each round trip, or a dash for none, on standard error."""
    period_ms = max(int(interval_seconds * 1000), 1)
    # Its time-out equals the period unless it is told otherwise: a long path would lose everything.
    argv = ["fping", "-C", str(count), "-p", str(period_ms), "-t", "1000", "-q", bridge.far.ipv4]
    merged = ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv]
    printed = bridge.run_in("near", merged, timeout=TIMEOUT_SECONDS, good_codes=(0, 1))
    line = next(line for line in printed.splitlines() if line.startswith(bridge.far.ipv4))
    cells = line.partition(":")[2].split()
    round_trips = [float(cell) for cell in cells if cell != "-"]
    return PeerFigures(len(cells), len(round_trips), round_trips, [])


PEERS = {"ping": run_ping, "fping": run_fping}


def find_peers(warn):
    """The probers of this machine; a missing one is said, since its column stays empty."""
    for name in PEERS:
        if shutil.which(name) is None:
            warn(f"{name} is not installed: nothing of it stands beside our figures")
    return {name: run for name, run in PEERS.items() if shutil.which(name) is not None}
