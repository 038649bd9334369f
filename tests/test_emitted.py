"""The count of emitted metrics counts nothing that was not measured."""

import json

import pytest

from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.probes.base import Outcome
from tests.emitted import Ledger, describe_ledger, list_faults, wrap_collect, wrap_run

CATALOGUE = {
    "net.rtt.min": {"kind": "gauge", "emitted_by": ["ping"], "group": "Latency"},
    "net.rtt.histogram": {"kind": "histogram", "emitted_by": ["ping"], "group": "Latency"},
    "tls.version": {"kind": "text", "emitted_by": ["tls"], "group": "TLS"},
    "http.apdex": {"kind": "gauge", "emitted_by": ["server"], "group": "HTTP"},
}


@pytest.fixture
def ledger():
    return Ledger(CATALOGUE)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(is_success=False, method="", values={}, absent={"net.rtt.min": "T"}),
        Outcome(is_success=True, method="", values={"net.rtt.min": float("nan")}),
        Outcome(is_success=True, method="", values={}, document={"net.rtt.histogram": {}}),
    ],
)
def test_what_is_absent_or_no_number_or_empty_does_not_count(ledger, outcome):
    ledger.note_outcome("ping", outcome)
    assert not ledger.emitters
    assert not ledger.problems


async def test_samples_outcomes_facts_and_histograms_of_a_probe_count(ledger):
    class Probe:
        async def run(self, request, emit):
            await emit(Outcome(is_success=True, method="", values={"net.rtt.min": 0.1}))
            histogram = {"bounds": [1.0], "counts": [2, 0]}
            return Outcome(
                is_success=True, method="", values={}, document={"net.rtt.histogram": histogram}
            )

    seen = []

    async def emit(sample):
        seen.append(sample)

    await wrap_run(Probe.run, "ping", ledger)(Probe(), None, emit)
    assert len(seen) == 1
    assert dict(ledger.emitters) == {"net.rtt.min": {"ping"}, "net.rtt.histogram": {"ping"}}


def test_only_a_collector_made_without_arguments_reads_this_very_host(ledger):
    class Collector:
        def collect(self):
            frame = CollectedFrame("host", "", {"net.rtt.min": 1.0})
            return Collection((frame,), (CollectedFact("host", "", "tls.version", ""),))

    own, told = Collector(), Collector()
    collect = wrap_collect(Collector.collect, "ping", ledger, {own})
    collect(told)
    assert not ledger.live
    collect(own)
    assert ledger.live == {"net.rtt.min"}
    assert "tls.version" not in ledger.emitters


@pytest.mark.parametrize(
    ("emitter", "values", "words"),
    [
        ("ping", {"no.such.metric": 1.0}, "does not have"),
        ("ping", {"tls.version": 1.3}, "does not have"),
        ("tcp", {"net.rtt.min": 1.0}, "does not name it"),
    ],
)
def test_a_key_that_the_catalogue_does_not_know_so_is_a_fault(ledger, emitter, values, words):
    ledger.note_numbers(emitter, values)
    assert words in list_faults(ledger)[0]


def test_what_workers_found_adds_up(ledger):
    for emitter in ("ping", "ping"):
        worker = Ledger(CATALOGUE)
        worker.note_numbers(emitter, {"net.rtt.min": 1.0}, is_live=True)
        ledger.add(json.loads(json.dumps(worker.as_output())))
    assert dict(ledger.emitters) == {"net.rtt.min": {"ping"}}
    text = "\n".join(describe_ledger(ledger))
    assert text.startswith("1 of 4 metrics")
    assert "of TLS (1): tls.version" in text
    assert "http.apdex" not in text
