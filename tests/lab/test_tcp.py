"""What the kernel says of a connection against what the bridge did to its segments."""

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from tests.lab.answering import PORT, answer_in_far, measure_pair

DELAY_SECONDS = 0.005
# A tail-loss probe is sent again without a loss (RFC 8985).
TAIL_LOSS_PROBES = 1
LOSSES = {"0.1 % lost": 0.001, "1 % lost": 0.01}


@pytest.mark.parametrize(
    ("name", "congestion"),
    [
        pytest.param("0.1 % lost", "cubic", marks=pytest.mark.slow),
        ("1 % lost", "cubic"),
        pytest.param("1 % lost", "bbr", marks=pytest.mark.slow),
    ],
)
def test_retransmissions_are_the_segments_that_were_dropped(
    bridge, lab_table, tmp_path, name, congestion
):
    lossy = Impairment(
        delay_seconds=DELAY_SECONDS, drop_ratio=LOSSES[name], only="tcp", seed=11,
        rate_bits_per_second=30e6, queue_bytes=10_000_000,
    )  # fmt: skip
    bridge.set(forward=lossy)
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", tmp_path, duration_seconds=6, direction="upload",
            congestion=congestion, rate_megabits=20, has_latency="false",
        )  # fmt: skip
    ledger = bridge.ledger()
    assert ledger.missed_count == 0, "the bridge was too slow to prove anything"
    (port,) = outcome["document"]["stream_ports"]
    dropped = ledger.forward.count(source_port=port, destination_port=PORT).dropped
    values = outcome["values"]
    retransmits = int(values["net.tcp.retransmits"])
    is_equal = 0 <= retransmits - dropped <= TAIL_LOSS_PROBES
    lab_table.record(f"{name}, {congestion}: retransmits", dropped, retransmits, "", is_equal)
    assert is_equal
    assert dropped > 0
    assert values["net.tcp.rtt.min"] == pytest.approx(DELAY_SECONDS, abs=0.001)
    assert values["net.tcp.mss.send"] == 1448
    assert outcome["facts"]["net.tcp.congestion.algorithm"] == congestion


@pytest.mark.parametrize("delay_ms", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_the_smallest_round_trip_is_the_path_without_queues(agent, bridge, lab_table, delay_ms):
    bridge.set(forward=Impairment(delay_seconds=delay_ms / 1000))
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = agent.test("tcp", bridge.far.ipv4, duration_seconds=2, port=PORT)
    measured = outcome["values"]["net.tcp.rtt.min"] * 1000
    lab_table.record(f"{delay_ms} ms: tcp's smallest round trip", delay_ms, measured, "ms")
    assert measured == pytest.approx(delay_ms, abs=0.5)
    assert outcome["values"]["net.tcp.option.sack"] == 1
    assert outcome["values"]["net.tcp.option.timestamps"] == 1
