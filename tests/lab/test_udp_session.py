"""A session between two agents against what the bridge really did to each of its directions."""

import statistics
from itertools import islice, pairwise
from math import pi, sqrt

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.probes.exponential import generate_variates
from tests.lab.sessions import (
    count_reordered,
    longest_run,
    mean_distance,
    run_session,
)

TOLERANCE_MS = 0.1
ATTEMPTS = 3
SOUND = Impairment()
FAULTS = {
    "a sound path": (SOUND, SOUND),
    "1 % lost there": (Impairment(drop_ratio=0.01, seed=1), SOUND),
    "10 % lost there": (Impairment(drop_ratio=0.1, seed=7), SOUND),
    "10 % lost back": (SOUND, Impairment(drop_ratio=0.1, seed=8)),
    "bursts of 5 lost there": (Impairment(burst_every=40, burst_length=5), SOUND),
    "2 % twice there": (Impairment(duplicate_ratio=0.02, seed=2), SOUND),
    "2 % twice back": (SOUND, Impairment(duplicate_ratio=0.02, seed=3)),
    "3 % overtaken there": (Impairment(reorder_ratio=0.03, reorder_seconds=0.025), SOUND),
    "3 % overtaken back": (SOUND, Impairment(reorder_ratio=0.03, reorder_seconds=0.045)),
    "every 8th damaged there": (Impairment(corrupt_every=8), SOUND),
    "every 8th damaged back": (SOUND, Impairment(corrupt_every=8)),
    "all at once": (
        Impairment(delay_seconds=0.02, drop_ratio=0.05, duplicate_every=9, seed=3),
        Impairment(
            drop_ratio=0.1, duplicate_every=7, reorder_ratio=0.03, reorder_seconds=0.03, seed=4
        ),
    ),
}  # fmt: skip
QUICK_FAULT = "all at once"
DELAYS_MS = {"1 ms": (1, 0), "20 ms": (20, 0), "5 ms there and 20 ms back": (5, 20)}
QUICK_DELAY = "5 ms there and 20 ms back"
# Of two independent values: standard deviation, and mean of their absolute difference.
JITTERS = {
    "uniform 5 ms": ("uniform", 5.0, 5 / sqrt(3), 10 / 3),
    "normal 2 ms": ("normal", 2.0, 2.0, 4 / sqrt(pi)),
}
# Seconds ahead, parts per million of drift, milliseconds there and back.
CLOCKS = {
    "5 s ahead": (5.0, 0.0, 10, 10),
    "5 s behind": (-5.0, 0.0, 10, 10),
    "5 s ahead, 30 ms there and 0 back": (5.0, 0.0, 30, 0),
    "drifting by 50 ppm": (0.5, 50.0, 5, 5),
    "drifting by -50 ppm": (-0.5, -50.0, 5, 5),
}
QUICK_CLOCK = "5 s ahead, 30 ms there and 0 back"
# Sums of a million variates, as the test of OWAMP (owtvec) publishes them, in units of 2^-32.
PUBLISHED_SUMS = {
    "2872979303ab47eeac028dab3829dab2": 0x000F4479BD317381,
    "0102030405060708090a0b0c0d0e0f00": 0x000F433686466A62,
    "deadbeefdeadbeefdeadbeefdeadbeef": 0x000F416C8884D2D3,
    "feed0feed1feed2feed3feed4feed5ab": 0x000F3F0B4B416EC8,
}


def mark_slow(cases, quick=None):
    return [
        pytest.param(name, id=name, marks=[] if name == quick else [pytest.mark.slow])
        for name in cases
    ]


def delay(milliseconds):
    return Impairment(delay_seconds=milliseconds / 1000)


@pytest.fixture
def session(bridge, tmp_path):
    def run(forward=SOUND, reverse=SOUND, **options):
        bridge.reset()
        bridge.set(forward=forward, reverse=reverse)
        return run_session(bridge, tmp_path, **options)

    return run


@pytest.mark.parametrize("name", mark_slow(FAULTS, QUICK_FAULT))
def test_each_direction_is_found_exactly_as_it_was(session, lab_table, name):
    outcome, truth = session(*FAULTS[name])
    values, told = outcome["values"], outcome["document"]["directions"]
    copies = sum(one.there.copies - 1 for one in truth.journeys if one.has_reached)
    there_late = sum(one.there.is_reordered for one in truth.journeys if one.has_reached)
    # What is damaged never leaves the far kernel, which checks UDP itself; so here.
    damaged = sum(reply.copies for one in truth.journeys for reply in one.back if reply.is_corrupt)
    expected = {
        "net.packet.sent": truth.sent_count,
        "net.packet.received": truth.unanswered.count(False),
        "net.packet.loss.ratio": sum(truth.unanswered) / truth.sent_count,
        "net.packet.loss.forward.ratio": sum(truth.forward_lost) / truth.sent_count,
        "net.packet.loss.reverse.ratio": sum(truth.reverse_lost) / len(truth.reverse_lost),
        "net.packet.loss.burst.max": longest_run(truth.unanswered),
        "net.packet.loss.distance.mean": mean_distance(truth.unanswered),
        "net.packet.duplicate.ratio": truth.copy_count / (len(truth.answered) + truth.copy_count),
        "net.packet.reorder.ratio": count_reordered(truth.arrivals) / len(truth.arrivals),
        "net.packet.late.ratio": 0,
    }
    found = {figure: values.get(figure) for figure in expected}
    for figure, number in expected.items():
        if number or found[figure] != number:
            is_equal = found[figure] == number
            lab_table.record(f"{name}: {figure}", number, found[figure], "", is_equal)
    assert found == expected
    forward, reverse = told["forward"], told["reverse"]
    assert forward["lost"] == sum(truth.forward_lost)
    assert forward["longest_burst"] == longest_run(truth.forward_lost)
    assert (forward["duplicates"], forward["reordered"]) == (copies, there_late)
    assert reverse["lost"] == sum(truth.reverse_lost)
    doubled = sum(reply.copies - 1 for one in truth.journeys for reply in one.answers)
    assert reverse["duplicates"] == doubled
    assert damaged or not FAULTS[name][1].corrupt_every


def measure_cost_ms(session):
    """What a round trip takes beside what the bridge holds it for."""
    outcome, truth = session(duration_seconds=2)
    return (outcome["values"]["net.rtt.udp"] - statistics.median(truth.held_seconds)) * 1000


@pytest.mark.parametrize("name", mark_slow(DELAYS_MS, QUICK_DELAY))
def test_the_median_round_trip_is_the_time_that_the_path_held_packets(session, lab_table, name):
    there_ms, back_ms = DELAYS_MS[name]
    for attempt in range(1, ATTEMPTS + 1):
        cost_ms = measure_cost_ms(session)
        outcome, truth = session(delay(there_ms), delay(back_ms))
        held_ms = statistics.median(truth.held_seconds) * 1000
        measured_ms = outcome["values"]["net.rtt.udp"] * 1000 - cost_ms
        is_near = abs(measured_ms - held_ms) <= TOLERANCE_MS
        remark = f"{'good' if is_near else 'WRONG'}, attempt {attempt} of {ATTEMPTS}"
        lab_table.record(f"{name}: median by UDP", held_ms, measured_ms, "ms", remark)
        if is_near:
            break
    assert measured_ms == pytest.approx(held_ms, abs=TOLERANCE_MS)


@pytest.mark.parametrize("name", mark_slow(JITTERS, "uniform 5 ms"))
def test_jitter_of_one_direction_is_what_theory_says(session, lab_table, name):
    shape, width_ms, deviation_ms, variation_ms = JITTERS[name]
    jitter = Impairment(delay_seconds=0.02, jitter_seconds=width_ms / 1000, jitter_shape=shape)
    outcome, truth = session(jitter, duration_seconds=6, count=500)
    values = outcome["values"]
    held_ms = [journey.there.held_seconds * 1000 for journey in truth.journeys]
    steps = [abs(later - earlier) for earlier, later in pairwise(held_ms)]
    rows = {
        "net.rtt.stddev": (statistics.stdev(held_ms), deviation_ms),
        "net.ipdv.forward.mean_abs": (statistics.mean(steps), variation_ms),
    }
    for figure, (truth_ms, theory_ms) in rows.items():
        measured_ms = values[figure] * 1000
        lab_table.record(
            f"{name} there: {figure}", truth_ms, measured_ms, "ms", f"theory {theory_ms:.4g}"
        )
        assert measured_ms == pytest.approx(theory_ms, rel=0.1)
    assert values["net.ipdv.reverse.mean_abs"] * 1000 < variation_ms / 4
    assert truth.sent_count == 500


@pytest.mark.parametrize("name", mark_slow(CLOCKS, QUICK_CLOCK))
def test_a_wrong_clock_is_found_within_half_of_the_asymmetry(session, lab_table, name):
    ahead, drift_ppm, there_ms, back_ms = CLOCKS[name]
    seconds = 20 if drift_ppm else 4
    outcome, truth = session(
        delay(there_ms), delay(back_ms), clock=(ahead, drift_ppm), duration_seconds=seconds
    )
    values, absent = outcome["values"], outcome["absent"]
    offset_ms = values["net.clock.peer_offset"] * 1000
    if drift_ppm:
        skew = values["net.clock.peer_skew"]
        lab_table.record(f"{name}: skew", drift_ppm, skew, "ppm", "+-10")
        assert skew == pytest.approx(drift_ppm, abs=10)
    else:
        allowed_ms = abs(there_ms - back_ms) / 2 + TOLERANCE_MS
        lab_table.record(f"{name}: offset", ahead * 1000, offset_ms, "ms", f"+-{allowed_ms:.3g}")
        assert offset_ms == pytest.approx(ahead * 1000, abs=allowed_ms)
    for way in ("forward", "reverse"):
        assert absent[f"net.owd.{way}.median"] == "N"
    held_ms = statistics.median(truth.held_seconds) * 1000
    assert held_ms - 1 < values["net.rtt.udp"] * 1000 < held_ms + 50


@pytest.mark.slow
@pytest.mark.parametrize("seed", PUBLISHED_SUMS)
def test_random_times_are_those_of_rfc_4656_to_the_last_digit(lab_table, seed):
    total = sum(islice(generate_variates(bytes.fromhex(seed)), 1_000_000))
    published = PUBLISHED_SUMS[seed]
    lab_table.record(
        f"a million variates of {seed[:8]}", f"{published:016x}", f"{total:016x}", "2^-32",
        total == published,
    )  # fmt: skip
    assert total == published
