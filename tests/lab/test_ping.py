"""The agent's ping against what the bridge really did to its probes."""

import statistics
import warnings
from itertools import pairwise
from math import pi, sqrt

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.round_trips import match_echoes
from tests.lab.peers import find_peers, run_ping

SPACING = {"interval_seconds": 0.01, "timeout_seconds": 1}
TOLERANCE_MS = 0.1
ATTEMPTS = 3
DELAYS_MS = {
    "0 ms": (0, 0),
    "1 ms": (1, 0),
    "5 ms": (5, 0),
    "20 ms": (20, 0),
    "100 ms": (100, 0),
    "5 ms there and 20 ms back": (5, 20),
}
QUICK_DELAY = "5 ms"

FAULTS = {
    "a sound path": (Impairment(), Impairment()),
    "every 100th lost": (Impairment(drop_every=100), Impairment()),
    "1 % lost": (Impairment(drop_ratio=0.01, seed=1), Impairment()),
    "10 % lost": (Impairment(drop_ratio=0.1, seed=7), Impairment()),
    "10 % lost on the way back": (Impairment(), Impairment(drop_ratio=0.1, seed=8)),
    "bursts of 5 lost": (Impairment(burst_every=40, burst_length=5), Impairment()),
    "2 % twice": (Impairment(), Impairment(duplicate_ratio=0.02, seed=2)),
    "requests twice": (Impairment(duplicate_every=9), Impairment()),
    "3 % overtaken": (Impairment(reorder_ratio=0.03, reorder_seconds=0.025), Impairment()),
    "every 8th damaged": (Impairment(), Impairment(corrupt_every=8)),
    "damaged requests": (Impairment(corrupt_every=8), Impairment()),
    "all at once, 20 ms away": (
        Impairment(delay_seconds=0.02, drop_ratio=0.05, burst_every=50, burst_length=4, seed=3),
        Impairment(duplicate_every=9, corrupt_every=8, drop_ratio=0.02, seed=4),
    ),
}  # fmt: skip
QUICK_FAULT = "all at once, 20 ms away"
# Of two independent values: standard deviation, and mean of their absolute difference.
JITTERS = {
    "uniform 5 ms": ("uniform", 5.0, 5 / sqrt(3), 10 / 3),
    "normal 2 ms": ("normal", 2.0, 2.0, 4 / sqrt(pi)),
}


def mark_slow(cases, quick=None):
    return [
        pytest.param(name, id=name, marks=[] if name == quick else [pytest.mark.slow])
        for name in cases
    ]


def ping(agent, bridge, *, duration_seconds=4, **parameters):
    """The values of a run over the bridge as it now is, and the truth about it."""
    target = parameters.pop("target", bridge.far.ipv4)
    wanted = {**SPACING, **parameters}
    outcome = agent.test("ping", target, duration_seconds=duration_seconds, **wanted)
    ledger = bridge.ledger()
    assert ledger.missed_count == 0, "the bridge was too slow to prove anything"
    return outcome["values"], match_echoes(ledger, target)


def impair(bridge, forward, reverse):
    bridge.reset()
    bridge.set(forward=forward, reverse=reverse)


def measure_cost_ms(agent, bridge):
    """What a round trip over the bridge takes beside what the bridge holds it for."""
    bridge.reset()
    values, truth = ping(agent, bridge, duration_seconds=2)
    return (values["net.rtt.median"] - truth.median_held_seconds) * 1000


def measure_delay_ms(agent, bridge, there_ms, back_ms):
    """The median that the bridge held probes for, and the agent's minus the cost without delay."""
    cost_ms = measure_cost_ms(agent, bridge)
    impair(
        bridge, Impairment(delay_seconds=there_ms / 1000), Impairment(delay_seconds=back_ms / 1000)
    )
    values, truth = ping(agent, bridge, duration_seconds=4)
    return truth.median_held_seconds * 1000, values["net.rtt.median"] * 1000 - cost_ms


@pytest.mark.parametrize("name", mark_slow(DELAYS_MS, QUICK_DELAY))
def test_the_median_round_trip_is_the_time_that_the_path_held_probes(
    agent, bridge, lab_table, name
):
    for attempt in range(1, ATTEMPTS + 1):
        held_ms, measured_ms = measure_delay_ms(agent, bridge, *DELAYS_MS[name])
        is_near = abs(measured_ms - held_ms) <= TOLERANCE_MS
        remark = f"{'good' if is_near else 'WRONG'}, attempt {attempt} of {ATTEMPTS}"
        lab_table.record(f"{name}: median", held_ms, measured_ms, "ms", remark)
        if is_near:
            break
    assert measured_ms == pytest.approx(held_ms, abs=TOLERANCE_MS)
    assert held_ms >= sum(DELAYS_MS[name])


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [1, 20])
def test_other_probers_see_the_same_delay(bridge, lab_table, delay_ms):
    for name, run in find_peers(warnings.warn).items():
        bridge.reset()
        base = statistics.median(run(bridge, count=200).round_trips_ms)
        impair(bridge, Impairment(delay_seconds=delay_ms / 1000), Impairment())
        seen = statistics.median(run(bridge, count=200).round_trips_ms) - base
        held = match_echoes(bridge.ledger(), bridge.far.ipv4).median_held_seconds * 1000
        lab_table.record(f"{delay_ms} ms: median by {name}", held, seen, "ms", "beside")
        # They print three digits, and are not what is tested here: the bridge is.
        assert seen == pytest.approx(delay_ms, rel=0.1, abs=0.5)


@pytest.mark.parametrize("name", mark_slow(FAULTS, QUICK_FAULT))
def test_faults_are_counted_exactly_as_they_were_made(agent, bridge, lab_table, name):
    impair(bridge, *FAULTS[name])
    values, truth = ping(agent, bridge)
    compare_counts(lab_table, name, values, truth, truth.corrupt_count)


@pytest.mark.slow
def test_faults_of_an_ipv6_path_are_counted_exactly(agent, bridge, lab_table):
    impair(bridge, *FAULTS[QUICK_FAULT])
    values, truth = ping(agent, bridge, target=bridge.far.ipv6)
    # What is damaged never leaves the kernel, which checks ICMPv6 itself.
    compare_counts(lab_table, f"{QUICK_FAULT}, IPv6", values, truth, corrupt_count=0)


def compare_counts(lab_table, name, values, truth, corrupt_count):
    unanswered = truth.unanswered
    reply_count = truth.sound_count + corrupt_count
    expected = {
        "net.packet.sent": truth.sent_count,
        "net.packet.received": unanswered.count(False),
        "net.packet.loss.ratio": sum(unanswered) / truth.sent_count,
        "net.packet.loss.burst.max": max(truth.loss_periods, default=0),
        "net.packet.loss.period.count": len(truth.loss_periods),
        "net.packet.duplicate.ratio": truth.duplicate_count / reply_count,
        "net.packet.corrupt.ratio": corrupt_count / reply_count,
        "net.packet.late.ratio": 0,
    }
    for figure, number in expected.items():
        is_equal = values[figure] == number
        if number or not is_equal:
            lab_table.record(f"{name}: {figure}", number, values[figure], "", is_equal)
    assert {figure: values[figure] for figure in expected} == expected


@pytest.mark.slow
def test_other_probers_count_the_same_losses(bridge, lab_table):
    for name, run in find_peers(warnings.warn).items():
        impair(bridge, Impairment(drop_ratio=0.1, seed=7), Impairment())
        figures = run(bridge, count=500)
        lost = bridge.ledger().forward.count(protocol="icmp").lost
        seen = figures.sent_count - figures.received_count
        lab_table.record(f"10 % lost: by {name}", lost, seen, "packets", seen == lost)
        assert seen == lost
        assert lost


@pytest.mark.slow
def test_replies_come_back_in_the_order_that_the_ledger_says(bridge, lab_table):
    impair(bridge, Impairment(reorder_ratio=0.03, reorder_seconds=0.025), Impairment())
    if "ping" not in find_peers(warnings.warn):
        pytest.skip("ping is not installed, and nobody else tells the order of replies")
    numbers = run_ping(bridge, count=500).sequence_numbers
    seen = sum(number < max(numbers[:place], default=0) for place, number in enumerate(numbers))
    truth = bridge.ledger().forward.count(protocol="icmp").reordered
    lab_table.record("3 % overtaken: by ping", truth, seen, "packets", seen == truth)
    assert seen == truth > 0


@pytest.mark.parametrize("name", mark_slow(JITTERS, "uniform 5 ms"))
def test_jitter_is_what_theory_says_of_the_delays_made(agent, bridge, lab_table, name):
    shape, width_ms, *theory_ms = JITTERS[name]
    jitter = Impairment(delay_seconds=0.02, jitter_seconds=width_ms / 1000, jitter_shape=shape)
    impair(bridge, jitter, Impairment())
    values, truth = ping(agent, bridge, duration_seconds=5)
    held_ms = [seconds * 1000 for seconds in truth.held_seconds]
    figures = {"net.rtt.stddev": statistics.stdev(held_ms)}
    steps = [abs(later - earlier) for earlier, later in pairwise(held_ms)]
    figures["net.ipdv.mean_abs"] = statistics.mean(steps)
    for (figure, truth_ms), expected_ms in zip(figures.items(), theory_ms, strict=True):
        measured_ms = values[figure] * 1000
        lab_table.record(
            f"{name}: {figure}", truth_ms, measured_ms, "ms", f"theory {expected_ms:.4g}"
        )
        assert measured_ms == pytest.approx(expected_ms, rel=0.1)
    assert len(held_ms) == 500


def test_the_path_makes_each_of_the_faults_it_is_asked_for(agent, bridge):
    impair(bridge, *FAULTS[QUICK_FAULT])
    _, truth = ping(agent, bridge, duration_seconds=1)
    assert truth.corrupt_count
    assert truth.duplicate_count
    assert max(truth.loss_periods) >= 4
