"""A short proof on the user's own host: what the agent measures beside what really happened."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.ledger import Ledger
from streamswarm_agent.laboratory.measuring import Agent
from streamswarm_agent.laboratory.namespaces import LaboratoryFailed
from streamswarm_agent.laboratory.path import FaultyPath, open_path
from streamswarm_agent.laboratory.round_trips import EchoTruth, match_echoes

TOLERANCE_SECONDS = 0.0001
JITTER_SHARE = 0.1
ATTEMPTS = 3
RUN_SECONDS = 2.0
SPACING = {"interval_seconds": 0.01, "timeout_seconds": 1}


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure beside the truth; good when they differ by no more than the tolerance."""

    experiment: str
    metric: str
    truth: float
    measured: float | None
    tolerance: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it was measured, and truly."""
        return self.measured is not None and abs(self.measured - self.truth) <= self.tolerance


@dataclass(frozen=True, slots=True)
class Bench:
    """The path and the agent at its near end."""

    path: FaultyPath
    agent: Agent

    def ping(self, forward: Impairment, **parameters: Any) -> tuple[Mapping[str, float], Ledger]:
        """The values of a run over the path so impaired, and the ledger of it."""
        self.path.reset()
        self.path.set(forward=forward)
        wanted = {**SPACING, **parameters}
        target = self.path.far.ipv4
        outcome = self.agent.test("ping", target, duration_seconds=RUN_SECONDS, **wanted)
        ledger = self.path.ledger()
        if ledger.missed_count:
            raise LaboratoryFailed("this host is too busy: the path itself lost packets")
        return outcome["values"], ledger

    def match(self, ledger: Ledger) -> EchoTruth:
        """The echoes to the far host."""
        return match_echoes(ledger, self.path.far.ipv4)


Experiment = Callable[[Bench], list[Finding]]


def prove_delay(bench: Bench) -> list[Finding]:
    """Median round trips over delays of 1 and 20 ms."""
    values, ledger = bench.ping(Impairment())
    # What a round trip takes beside what the path holds it for is no error of the agent.
    cost = values["net.rtt.median"] - bench.match(ledger).median_held_seconds
    findings = []
    for delay_ms in (1, 20):
        values, ledger = bench.ping(Impairment(delay_seconds=delay_ms / 1000))
        truth = bench.match(ledger).median_held_seconds
        measured = values["net.rtt.median"] - cost
        name = f"{delay_ms} ms away"
        findings.append(Finding(name, "net.rtt.median", truth, measured, TOLERANCE_SECONDS))
    return findings


def prove_tcp_delay(bench: Bench) -> list[Finding]:
    """Median round trips by TCP, without privileges, to a port where nothing listens."""
    values, ledger = bench.ping(Impairment(), method="tcp")
    cost = values["net.rtt.median"] - _median_tcp_seconds(ledger)
    values, ledger = bench.ping(Impairment(delay_seconds=0.02), method="tcp")
    truth, measured = _median_tcp_seconds(ledger), values["net.rtt.median"] - cost
    name = "20 ms away, by TCP"
    # The end of a TCP round trip is when the agent is woken, so a busy host shows in it.
    return [Finding(name, "net.rtt.median", truth, measured, 5 * TOLERANCE_SECONDS)]


def prove_loss(bench: Bench) -> list[Finding]:
    """Losses at random, in bursts and one by one; each count must be exact."""
    faults = {
        "a tenth lost": Impairment(drop_ratio=0.1, seed=7),
        "bursts of 5 lost": Impairment(burst_every=40, burst_length=5),
    }
    findings = []
    for name, impairment in faults.items():
        values, ledger = bench.ping(impairment)
        truth = bench.match(ledger)
        expected = {
            "net.packet.sent": truth.sent_count,
            "net.packet.received": truth.unanswered.count(False),
            "net.packet.loss.burst.max": max(truth.loss_periods, default=0),
            "net.packet.loss.period.count": len(truth.loss_periods),
        }
        findings += _compare(name, expected, values)
    return findings


def prove_duplication(bench: Bench) -> list[Finding]:
    """Packets that come twice; the share must be exact."""
    values, ledger = bench.ping(Impairment(duplicate_every=9))
    truth = bench.match(ledger)
    share = truth.duplicate_count / truth.sound_count
    return _compare("every 9th twice", {"net.packet.duplicate.ratio": share}, values)


def prove_jitter(bench: Bench) -> list[Finding]:
    """Delays that vary evenly by 5 ms around 20 ms."""
    values, ledger = bench.ping(Impairment(delay_seconds=0.02, jitter_seconds=0.005))
    held = bench.match(ledger).held_seconds
    steps = [abs(later - earlier) for earlier, later in pairwise(held)]
    truths = {"net.rtt.stddev": stdev(held), "net.ipdv.mean_abs": mean(steps)}
    return [
        Finding("jitter of 5 ms", metric, truth, values.get(metric), JITTER_SHARE * truth)
        for metric, truth in truths.items()
    ]


EXPERIMENTS: Sequence[Experiment] = (
    prove_delay,
    prove_tcp_delay,
    prove_jitter,
    prove_loss,
    prove_duplication,
)


def prove_on_this_host() -> Iterator[Finding]:
    """Every finding, on a path of its own. Raises: LaboratoryFailed."""
    with tempfile.TemporaryDirectory() as folder, open_path() as path:
        for findings in run_selftest(Bench(path, Agent(path.host("near"), Path(folder)))):
            yield from findings


def run_selftest(bench: Bench) -> Iterator[list[Finding]]:
    """The findings of each experiment; one that fails is repeated, since a host may be busy.

    Raises: LaboratoryFailed.
    """
    for experiment in EXPERIMENTS:
        for _ in range(ATTEMPTS):
            findings = experiment(bench)
            if all(finding.is_good for finding in findings):
                break
        yield findings


def _compare(
    experiment: str, expected: Mapping[str, float], values: Mapping[str, float]
) -> list[Finding]:
    return [
        Finding(experiment, metric, truth, values.get(metric)) for metric, truth in expected.items()
    ]


def _median_tcp_seconds(ledger: Ledger) -> float:
    """The median time that the path held a SYN and its answer together."""
    answers = ledger.reverse.select(protocol="tcp")
    held_by_flow = {
        flow.destination_port: entry.held_seconds or 0.0
        for entry in answers
        for flow in [ledger.reverse.flows[entry.flow]]
    }
    totals = [
        (entry.held_seconds or 0.0) + held_by_flow[flow.source_port]
        for entry in ledger.forward.select(protocol="tcp")
        for flow in [ledger.forward.flows[entry.flow]]
        if flow.source_port in held_by_flow
    ]
    return median(totals)
