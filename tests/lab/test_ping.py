"""The agent's ping against what a path in the laboratory really did to its probes."""

import pytest

from tests.lab.responder import Impairment

SPACING = {"interval_seconds": 0.01, "timeout_seconds": 1}
TOLERANCE_MS = 0.1
ATTEMPTS = 3

FAULTS = {
    "a sound path": Impairment(),
    "every 10th lost": Impairment(drop_every=10),
    "a tenth lost at random": Impairment(drop_ratio=0.1, seed=7),
    "bursts of 5 lost": Impairment(burst_every=40, burst_length=5),
    "every 9th twice": Impairment(duplicate_every=9),
    "every 8th damaged": Impairment(corrupt_every=8),
    "all at once, 20 ms away": Impairment(
        delay_seconds=0.02, drop_ratio=0.05, burst_every=50, burst_length=4,
        duplicate_every=9, corrupt_every=8, seed=3,
    ),
}  # fmt: skip
QUICK_FAULT = "all at once, 20 ms away"


def mark_slow(cases, quick):
    return [
        pytest.param(case, id=name, marks=[] if name == quick else [pytest.mark.slow])
        for name, case in cases.items()
    ]


def measure_delay(laboratory, delay_ms):
    """The delay in ms that the path held probes for, and the agent's minus that of no delay."""
    seconds = 3 if delay_ms < 50 else 5
    base_values, base = laboratory.ping(duration_seconds=2, **SPACING)
    values, truth = laboratory.ping(
        Impairment(delay_seconds=delay_ms / 1000), duration_seconds=seconds, **SPACING
    )
    # Even a path without delay holds a packet for the microseconds that its answer takes.
    cost = base_values["net.rtt.median"] - base.median_held_seconds
    return truth.median_held_seconds * 1000, (values["net.rtt.median"] - cost) * 1000


@pytest.mark.parametrize(
    "delay_ms", mark_slow({f"{delay} ms away": delay for delay in (1, 5, 20, 100)}, "5 ms away")
)
def test_the_median_round_trip_is_the_time_that_the_path_held_probes(laboratory, note, delay_ms):
    for attempt in range(1, ATTEMPTS + 1):
        held_ms, measured_ms = measure_delay(laboratory, delay_ms)
        note("net.rtt.median (ms)", held_ms, measured_ms, f"attempt {attempt} of {ATTEMPTS}")
        if abs(measured_ms - held_ms) <= TOLERANCE_MS:
            break
    assert measured_ms == pytest.approx(held_ms, abs=TOLERANCE_MS)
    assert held_ms >= delay_ms


@pytest.mark.parametrize("impairment", mark_slow(FAULTS, QUICK_FAULT))
def test_faults_are_counted_exactly_as_they_were_made(laboratory, note, impairment):
    values, truth = laboratory.ping(impairment, duration_seconds=4, **SPACING)
    expected = {
        "net.packet.sent": len(truth.entries),
        "net.packet.received": truth.unanswered.count(False),
        "net.packet.loss.ratio": sum(truth.unanswered) / len(truth.entries),
        "net.packet.loss.burst.max": max(truth.loss_periods, default=0),
        "net.packet.loss.period.count": len(truth.loss_periods),
        "net.packet.duplicate.ratio": truth.duplicate_count / truth.reply_count,
        "net.packet.corrupt.ratio": truth.corrupt_count / truth.reply_count,
        "net.packet.late.ratio": 0,
    }
    for figure, number in expected.items():
        note(figure, number, values[figure])
    assert {figure: values[figure] for figure in expected} == expected


def test_the_path_makes_each_of_the_faults_it_is_asked_for(laboratory):
    _, truth = laboratory.ping(FAULTS[QUICK_FAULT], duration_seconds=1, **SPACING)
    assert truth.corrupt_count
    assert truth.duplicate_count
    assert max(truth.loss_periods) >= 4
