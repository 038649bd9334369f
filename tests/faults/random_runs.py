"""Random faults at random moments, one after the other, each judged by the oracle.

A run is one fault while hosts measure and upload: it is over when the server is ready again and
everything measured up to then is stored. Several sites are struck side by side.
"""

import json
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Lock, Thread

from tests.faults.exposed import ExposedSite, run_exposed_site
from tests.faults.rounds import RUN_SECONDS, DatabaseKind, Round, Victim, wait_for_verdict
from tests.faults.strikes import Fault, list_faults, pause
from tests.servers.waiting import wait_until

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 1.0
MEASURING_SECONDS = 60.0
VERDICT_SECONDS = 120.0
POLL_SECONDS = 0.1
# A site is judged as a whole, from its first measurement on, before it gives way to a new one.
RUNS_OF_A_SITE = 250
WHOLE = "(everything of a site, at its end)"
NOT_WELL = "(a site did not get well)"


@dataclass(frozen=True, slots=True)
class FaultRun:
    """One fault: what was measured around it, what became of that, and how long it took."""

    fault: str
    row: int
    database: str
    measured: int
    lost: int
    doubled: int
    unlisted: int
    recovery_seconds: float
    detail: str = ""

    @property
    def is_clean(self) -> bool:
        return self.measured > 0 and not (self.lost or self.doubled or self.unlisted or self.detail)

    @property
    def is_summary(self) -> bool:
        """Whether this is the verdict on a site as a whole and no run of its own."""
        return self.fault == WHOLE


def strike_once(site: ExposedSite, fault: Fault) -> FaultRun:
    """Lets the fault happen at a random moment and waits until all is well again.

    `recovery_seconds` is counted from the strike, so it includes the time that the fault lasts.
    """
    begun_at = datetime.now(UTC)
    site.set_marks()
    pause(0, LONGEST_PAUSE_SECONDS)
    begin = time.monotonic()
    fault.strike(site)
    site.wait_until_ready()
    wait_until_all_measure(site)
    ledgers = site.read_new()
    since = begun_at - timedelta(seconds=RUN_SECONDS)
    verdict = wait_for_verdict(
        lambda: site.judge(ledgers, since),
        lambda verdict: not verdict.lost,
        VERDICT_SECONDS,
        poll_seconds=POLL_SECONDS,
    )
    return FaultRun(
        fault=fault.name,
        row=fault.row,
        database=site.kind,
        measured=verdict.measured,
        lost=len(verdict.lost),
        doubled=verdict.doubled,
        unlisted=0,
        recovery_seconds=round(time.monotonic() - begin, 2),
        detail=" ".join(sorted(verdict.lost)[:3]),
    )


def wait_until_all_measure(site: ExposedSite) -> None:
    before = {name: len(host.agent.read_ledger()) for name, host in site.hosts.items()}
    wait_until(
        lambda: all(
            len(host.agent.read_ledger()) > before[name] for name, host in site.hosts.items()
        ),
        seconds=MEASURING_SECONDS,
        what="measuring after the fault",
        poll_seconds=POLL_SECONDS,
    )


def judge_whole(site: ExposedSite) -> FaultRun:
    """The verdict on all that this site ever measured, after its agents' clean end."""
    begin = time.monotonic()
    site.end_hosts()
    ledgers = site.read_ledgers()
    verdict = wait_for_verdict(
        lambda: site.judge(ledgers),
        lambda verdict: verdict.is_exactly_once,
        VERDICT_SECONDS,
        poll_seconds=1.0,
    )
    return FaultRun(
        fault=WHOLE,
        row=0,
        database=site.kind,
        measured=verdict.measured,
        lost=len(verdict.lost),
        doubled=verdict.doubled,
        unlisted=len(verdict.unlisted),
        recovery_seconds=round(time.monotonic() - begin, 2),
        detail=" ".join(sorted(verdict.lost | verdict.unlisted)[:3]),
    )


# Of a process that a supervisor keeps, or that stands beside the server.
ROWS_OF_VICTIMS: dict[Victim, int] = {
    "agent": 1,
    "web": 2,
    "worker": 3,
    "redis": 5,
    "postgresql": 6,
}


def describe_round(kind: DatabaseKind, item: Round) -> FaultRun:
    """A round of tests/faults/rounds.py in the same words."""
    return FaultRun(
        fault=f"{item.victim} killed, supervised",
        row=ROWS_OF_VICTIMS[item.victim],
        database=kind,
        measured=item.measured,
        lost=item.lost,
        doubled=item.doubled,
        unlisted=0,
        recovery_seconds=round(item.recovery_seconds, 2),
    )


class Journal:
    """The runs so far, one JSON object a line in a file, so that a campaign can go on later."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = Lock()
        self.runs: list[FaultRun] = []
        if file is not None and file.exists():
            lines = file.read_text().splitlines()
            self.runs = [FaultRun(**json.loads(line)) for line in lines]

    def add(self, run: FaultRun) -> None:
        with self._lock:
            self.runs.append(run)
            if self._file is not None:
                with self._file.open("a") as file:
                    file.write(f"{json.dumps(asdict(run))}\n")

    def count(self) -> int:
        """How many faults have happened."""
        return sum(not run.is_summary for run in self.runs)


class Campaign:
    """So many runs, shared by sites of these databases side by side; a site that fails is kept."""

    def __init__(self, kinds: Sequence[DatabaseKind], *, runs: int, journal: Journal) -> None:
        self._kinds = kinds
        self._runs = runs
        self._journal = journal
        self._stopping = Event()

    def run(self) -> None:
        """Returns when all runs are done or `stop` was called and the last verdicts are in."""
        threads = [Thread(target=self._strike_sites, args=(kind,)) for kind in self._kinds]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self._stopping.set()
            for thread in threads:
                thread.join()

    @property
    def _is_over(self) -> bool:
        return self._stopping.is_set() or self._journal.count() >= self._runs

    def _strike_sites(self, kind: DatabaseKind) -> None:
        while not self._is_over:
            try:
                with run_exposed_site(kind) as site:
                    self._strike_site(site)
            except Exception as error:
                logger.exception("site_not_well database=%s", kind)
                self._journal.add(FaultRun(NOT_WELL, 0, kind, 0, 0, 0, 0, 0.0, repr(error)))

    def _strike_site(self, site: ExposedSite) -> None:
        faults = list_faults(site)
        shares = [fault.share for fault in faults]
        for _ in range(RUNS_OF_A_SITE):
            if self._is_over:
                break
            (fault,) = random.choices(faults, shares)  # noqa: S311 - a fault, no secret
            run = strike_once(site, fault)
            self._journal.add(run)
            logger.info("fault_run %s", run)
        self._journal.add(judge_whole(site))
