"""A UDP session over the bridge, and what the ledger says that it must have found."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from streamswarm_agent.laboratory.path import SOURCE_FOLDER
from tests.servers.waiting import wait_until

KEY = bytes(range(32)).hex()
PORT = 8620
# The request for a report and the report have this where packets have their number.
REPORT_TAG = 0xFFFFFFFF
START_SECONDS = 60.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Journey:
    """A packet of the near host, and what went back for it, in the order of leaving the far."""

    there: object
    back: Sequence[object]

    @property
    def has_reached(self):
        return self.there.fate == "passed" and not self.there.is_corrupt

    @property
    def answers(self):
        return [reply for reply in self.back if reply.fate == "passed" and not reply.is_corrupt]

    @property
    def held_seconds(self):
        return self.there.held_seconds + self.answers[0].held_seconds


def left_at(entry):
    return entry.arrived_at + entry.held_seconds


@dataclass(frozen=True, slots=True)
class SessionTruth:
    """What became of the packets of one session, in the order of sending."""

    journeys: Sequence[Journey]

    @property
    def sent_count(self):
        return len(self.journeys)

    @property
    def forward_lost(self):
        return [not journey.has_reached for journey in self.journeys]

    @property
    def reverse_lost(self):
        return [not one.answers for one in self.journeys if one.has_reached]

    @property
    def unanswered(self):
        return [not journey.answers for journey in self.journeys]

    @property
    def answered(self):
        return [journey for journey in self.journeys if journey.answers]

    @property
    def answer_count(self):
        return sum(reply.copies for journey in self.journeys for reply in journey.answers)

    @property
    def copy_count(self):
        """Those made on the way there and back."""
        made_there = sum(one.there.copies - 1 for one in self.journeys if one.has_reached)
        return made_there + self.answer_count - len(self.answered)

    @property
    def arrivals(self):
        """The numbers of those answered, in the order of their first answers' arrival."""
        moments = [
            (min(map(left_at, journey.answers)), number)
            for number, journey in enumerate(self.journeys)
            if journey.answers
        ]
        return [number for _, number in sorted(moments)]

    @property
    def held_seconds(self):
        return [journey.held_seconds for journey in self.answered]


def longest_run(flags):
    return max((len(list(run)) for is_lost, run in groupby(flags) if is_lost), default=0)


def count_reordered(numbers):
    return sum(number < max(numbers[:place], default=-1) for place, number in enumerate(numbers))


def mean_distance(flags):
    places = [place for place, is_lost in enumerate(flags) if is_lost]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    return sum(gaps) / len(gaps) if gaps else None


def match_journeys(ledger, *, port=PORT):
    """The journeys of the one session in the ledger.

    The far host numbers the packets that it takes, each once, and its answers have these numbers.
    """
    sent = [
        entry
        for entry in ledger.forward.select(protocol="udp", destination_port=port)
        if entry.tag != REPORT_TAG
    ]
    taken = sorted(
        (entry for entry in sent if entry.fate == "passed" and not entry.is_corrupt), key=left_at
    )
    numbered = [entry.tag for entry in taken]
    answers = {}
    for entry in ledger.reverse.select(protocol="udp", source_port=port):
        if entry.tag != REPORT_TAG:
            answers.setdefault(numbered[entry.tag], []).append(entry)
    return SessionTruth([Journey(entry, answers.get(entry.tag, [])) for entry in sent])


@contextmanager
def run_far_end(bridge, *, ahead_seconds=0.0, drift_ppm=0.0):
    """An answering end in the far host with a clock like that, until the block ends."""
    argv = [
        "env", f"PYTHONPATH={SOURCE_FOLDER}:{ROOT}", sys.executable, "-m", "tests.lab.far_end",
        KEY, bridge.far.ipv4, str(PORT), str(ahead_seconds), str(drift_ppm),
    ]  # fmt: skip
    process = bridge.start_in("far", argv, cwd=ROOT)
    place = f":{PORT:04X} "
    try:
        wait_until(
            lambda: place in bridge.run_in("far", ["cat", "/proc/net/udp"]),
            seconds=START_SECONDS,
            what="the far end's port",
        )
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def run_session(bridge, folder, *, duration_seconds=4, clock=(0.0, 0.0), **parameters):
    """The outcome of a session over the bridge as it now is, and the truth about it."""
    wanted = {"interval_seconds": 0.01, "timeout_seconds": 1, **parameters}
    options = [f"--param={name}={value}" for name, value in wanted.items()]
    argv = [
        "env", f"PYTHONPATH={SOURCE_FOLDER}", f"PATH={os.environ.get('PATH', os.defpath)}",
        sys.executable, "-m", "streamswarm_agent", "test", "udp_session", bridge.far.ipv4,
        "--json", f"--key={KEY}", f"--duration={duration_seconds}", f"--state-dir={folder}",
        *options,
    ]  # fmt: skip
    ahead_seconds, drift_ppm = clock
    with run_far_end(bridge, ahead_seconds=ahead_seconds, drift_ppm=drift_ppm):
        timeout = duration_seconds + START_SECONDS
        printed = bridge.run_in("near", argv, timeout=timeout, good_codes=(0, 1))
    ledger = bridge.ledger()
    assert ledger.missed_count == 0, "the bridge was too slow to prove anything"
    return json.loads(printed)["outcome"], match_journeys(ledger)
