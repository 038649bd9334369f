"""The count of emitted metrics counts nothing that was not measured."""

import json
import time
from types import SimpleNamespace

import pytest

from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.probes.base import Outcome
from tests.emitted import (
    Ledger,
    describe_ledger,
    is_as_in_the_field,
    list_faults,
    note_printed,
    watch_made,
    wrap_collect,
    wrap_run,
)

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
    ledger.note_outcome("ping", outcome, is_live=True)
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

    probe = Probe()
    await wrap_run(Probe.run, "ping", ledger, {probe})(probe, None, emit)
    assert len(seen) == 1
    assert dict(ledger.emitters) == {"net.rtt.min": {"ping"}, "net.rtt.histogram": {"ping"}}
    assert ledger.live == ledger.emitters.keys()
    await wrap_run(Probe.run, "ping", ledger, ())(probe, None, emit)
    assert ledger.recorded == ledger.emitters.keys()


def test_a_probe_is_live_with_its_own_sockets_by_this_hosts_clock():
    class Made:
        def __init__(self, clock, _resolver, make_tls=None, open_socket=None):
            pass

    untouched = watch_made(Made, is_as_in_the_field)
    elsewhere = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    for made, is_live in (
        (Made(time, None), True),
        (Made(time, None, make_tls=object()), True),
        (Made(time, None, open_socket=object()), False),
        (Made(elsewhere, None), False),
    ):
        assert (made in untouched) == is_live


def test_what_an_agent_of_the_laboratory_prints_counts_as_live(ledger):
    outcome = {"values": {"net.rtt.min": 0.1}, "facts": {}, "document": {}, "absent": {}}
    printed = json.dumps({"outcome": outcome})
    command = ["env", "python", "-m", "streamswarm_agent"]
    note_printed(ledger, [*command, "test", "ping", "192.0.2.1"], "a table")
    note_printed(ledger, [*command, "selftest", "--json"], "{}")
    note_printed(ledger, ["iperf3", "--json"], "{}")
    assert not ledger.emitters
    note_printed(ledger, [*command, "test", "ping", "192.0.2.1", "--json"], printed)
    assert ledger.live == {"net.rtt.min"}


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
    assert "1 live" in text
    assert "of TLS (1): tls.version (tls)" in text
    assert "http.apdex" not in text
