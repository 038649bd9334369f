"""Traffic classes, ECN, policers and shapers against what the bridge did to them."""

import random

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from tests.lab.answering import PORT, answer_in_far, measure_pair

TOLERANCE_SECONDS = 0.0002
RATE_TOLERANCE = 0.05
ATTEMPTS = 3
CLASSES = "0,10,46"
SWEPT_MEGABITS = 20
SETTING_COUNT = 20
# The detector was tuned on the settings of the first; those of the second it had never seen.
SEEDS = (10, 4656)


def measure(bridge, folder, *, duration_seconds=4, **parameters):
    with answer_in_far(bridge, "qos"):
        outcome = measure_pair(
            bridge, "qos", folder, duration_seconds=duration_seconds,
            **{"classes": CLASSES, "interval_seconds": 0.01, **parameters},
        )  # fmt: skip
    assert outcome["is_success"], outcome["reason"]
    ledger = bridge.ledger()
    assert ledger.missed_count == 0, "the bridge was too slow to prove anything"
    return outcome, ledger


def count_marks(outcome, way):
    """The packets that arrived with CE."""
    rows = outcome["document"]["classes"]
    return sum(count for row in rows for number, count in row[way].items() if int(number) & 3 == 3)


def test_marks_of_congestion_are_counted_exactly(bridge, lab_table, tmp_path):
    bridge.set(
        forward=Impairment(ce_ratio=0.1, seed=5, only="udp"),
        reverse=Impairment(ce_every=7, only="udp"),
    )
    outcome, ledger = measure(bridge, tmp_path)
    truths = {"forward": ledger.forward, "reverse": ledger.reverse}
    for way, direction in truths.items():
        truth, measured = direction.count(protocol="udp").marked, count_marks(outcome, way)
        lab_table.record(f"CE marks, {way}", truth, measured, "packets", truth == measured)
        assert measured == truth > 0
        key = f"qos.ecn.ect_survives{{codepoint=ect0,direction={way}}}"
        assert outcome["values"][key] == 1


def test_classes_that_the_path_wipes_out_are_told(bridge, lab_table, tmp_path):
    bridge.set(forward=Impairment(is_dscp_bleached=True))
    outcome, ledger = measure(bridge, tmp_path)
    values = outcome["values"]
    rows = {row["dscp"]: row for row in outcome["document"]["classes"] if not row["ecn"]}
    bleached = sum(row["forward"].get("0", 0) for dscp, row in rows.items() if dscp)
    truth = ledger.forward.count(protocol="udp", destination_port=PORT).bleached
    lab_table.record("DSCP bleached", truth, bleached, "packets", truth == bleached)
    assert bleached == truth > 0
    for dscp in (10, 46):
        assert values[f"qos.dscp.received{{direction=forward,dscp={dscp}}}"] == 0
        assert values[f"qos.dscp.bleached{{direction=forward,dscp={dscp}}}"] == 1
        assert values[f"qos.dscp.bleached{{direction=reverse,dscp={dscp}}}"] == 0
        assert values[f"qos.dscp.received{{direction=reverse,dscp={dscp}}}"] == dscp


def test_each_class_has_the_delay_that_the_path_gives_it(bridge, lab_table, tmp_path):
    delays = {0: 0.020, 10: 0.010, 46: 0.002}
    for attempt in range(1, ATTEMPTS + 1):
        bridge.reset()
        base, _ = measure(bridge, tmp_path, has_ecn="false")
        bridge.set(forward=Impairment(dscp_delay_seconds=delays))
        outcome, _ = measure(bridge, tmp_path, has_ecn="false")
        are_near = True
        for dscp, delay in delays.items():
            key = f"qos.class.rtt.median{{dscp={dscp}}}"
            measured = outcome["values"][key] - base["values"][key]
            is_near = abs(measured - delay) <= TOLERANCE_SECONDS
            remark = f"{'good' if is_near else 'WRONG'}, attempt {attempt} of {ATTEMPTS}"
            lab_table.record(f"DSCP {dscp}: median", delay * 1000, measured * 1000, "ms", remark)
            are_near = are_near and is_near
        if are_near:
            break
    assert are_near
    difference = outcome["values"]["qos.class.differentiation"]
    assert difference == pytest.approx(0.018, abs=2 * TOLERANCE_SECONDS)


def draw_settings(seed):
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for number in range(SETTING_COUNT):
        kind = ("policer", "shaper", "none")[number % 3]
        rate = chance.uniform(2e6, 14e6)
        size = chance.randrange(20_000, 120_000)
        is_slow = number > 1 or seed != SEEDS[0]
        yield pytest.param(
            kind, rate, size, id=f"{seed}-{number}: {kind}", marks=[pytest.mark.slow] * is_slow
        )


@pytest.mark.parametrize(
    ("kind", "rate", "size"), [one for seed in SEEDS for one in draw_settings(seed)]
)
def test_a_policer_and_a_shaper_are_told_apart(bridge, lab_table, tmp_path, kind, rate, size):
    limits = {
        "policer": {"policer_bits_per_second": rate, "policer_burst_bytes": size},
        "shaper": {"rate_bits_per_second": rate, "queue_bytes": size},
        "none": {},
    }
    bridge.set(forward=Impairment(**limits[kind], only="udp"))
    outcome, _ = measure(
        bridge, tmp_path, duration_seconds=6, has_ecn="false", has_sweep="true",
        sweep_megabits=SWEPT_MEGABITS, interval_seconds=0.05,
    )  # fmt: skip
    found, values = outcome["document"]["sweep"], outcome["values"]
    verdict = found["verdict"]
    lab_table.record(f"{kind}: verdict", kind, verdict, "", verdict == kind)
    assert verdict == kind
    assert values["qos.policing.detected{direction=forward}"] == (kind == "policer")
    assert values["qos.shaping.detected{direction=forward}"] == (kind == "shaper")
    if kind == "none":
        assert found["rate_bits_per_second"] is None
        return
    measured = found["rate_bits_per_second"]
    is_near = abs(measured / rate - 1) <= RATE_TOLERANCE
    lab_table.record(f"{kind}: rate", rate / 1e6, measured / 1e6, "Mbit/s", is_near)
    assert measured == pytest.approx(rate, rel=RATE_TOLERANCE)
    if kind == "policer":
        lab_table.record("policer: burst", size, found["burst_bytes"], "B", "")
        assert found["burst_bytes"] == pytest.approx(size, rel=0.1, abs=6000)


@pytest.mark.slow
def test_ecn_is_negotiated_where_both_hosts_want_it(bridge, lab_table, tmp_path):
    for wanted in (1, 2):
        bridge.host("near").configure({"net.ipv4.tcp_ecn": str(wanted)})
        outcome, _ = measure(bridge, tmp_path, duration_seconds=2)
        if wanted == 1:
            lab_table.record("ECN negotiated", 1, outcome["values"]["qos.ecn.negotiated"])
            assert outcome["values"]["qos.ecn.negotiated"] == 1
        else:
            assert outcome["absent"]["qos.ecn.negotiated"] == "U"
