"""Rates by TCP and UDP against a line of a known rate, and against iperf3 on the same line."""

import json
import shutil
import warnings

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from tests.lab.answering import PORT, START_SECONDS, answer_in_far, measure_pair, wait_for_port

# Of 1500 bytes 1448 are payload: 20 for IPv4, 20 for TCP and 12 for its timestamps are not.
PAYLOAD_SHARE = 1448 / 1500
TOLERANCE = 0.01
IPERF_PORT = 5201
MEASURED_SECONDS = 8
ATTEMPTS = 3
RATES = [5, pytest.param(20, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.slow)]


def run_iperf3(bridge, *, is_reverse=False):
    """Bits a second that arrived, by the receiver's count; the first 2 seconds left out."""
    server = bridge.start_in("far", ["iperf3", "-s", "-1", "-B", bridge.far.ipv4, "--forceflush"])
    try:
        wait_for_port(bridge, "tcp", IPERF_PORT)
        argv = [
            "iperf3", "-c", bridge.far.ipv4, "-J", "-O", "2", "-t", str(MEASURED_SECONDS),
            "-C", "cubic", *(["-R"] if is_reverse else []),
        ]  # fmt: skip
        printed = bridge.run_in("near", argv, timeout=MEASURED_SECONDS + START_SECONDS)
    finally:
        server.kill()
        server.wait(START_SECONDS)
    return json.loads(printed)["end"]["sum_received"]["bits_per_second"]


def limit(bridge, megabits):
    line = Impairment(rate_bits_per_second=megabits * 1e6)
    bridge.reset()
    bridge.set(forward=line, reverse=line)


def measure_rate(bridge, folder, megabits, direction):
    limit(bridge, megabits)
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", folder, duration_seconds=MEASURED_SECONDS + 4.0,
            direction=direction, congestion="cubic", omit_seconds=2,
        )  # fmt: skip
    assert bridge.ledger().missed_count == 0, "the bridge was too slow to prove anything"
    key = "receive" if direction == "upload" else "reverse"
    return outcome["values"][f"net.throughput.tcp.{key}"] / 1e6


def measure_rate_by_iperf3(bridge, megabits, direction):
    if shutil.which("iperf3") is None:
        warnings.warn(
            "iperf3 is not installed: nothing of it stands beside our figures", stacklevel=2
        )
        return megabits * PAYLOAD_SHARE
    limit(bridge, megabits)
    return run_iperf3(bridge, is_reverse=direction == "download") / 1e6


@pytest.mark.parametrize("megabits", RATES)
@pytest.mark.parametrize("direction", ["upload", pytest.param("download", marks=pytest.mark.slow)])
def test_the_rate_is_that_of_the_line_and_of_iperf3(
    bridge, lab_table, tmp_path, megabits, direction
):
    truth = megabits * PAYLOAD_SHARE
    for attempt in range(1, ATTEMPTS + 1):
        measured = measure_rate(bridge, tmp_path, megabits, direction)
        peer = measure_rate_by_iperf3(bridge, megabits, direction)
        is_near = all(abs(measured / one - 1) <= TOLERANCE for one in (truth, peer))
        name = f"{megabits} Mbit/s: {direction}"
        remark = f"{'good' if is_near else 'WRONG'}, attempt {attempt} of {ATTEMPTS}"
        lab_table.record(name, truth, measured, "Mbit/s", remark)
        lab_table.record(f"{name} by iperf3", truth, peer, "Mbit/s", "beside")
        if is_near:
            break
    assert measured == pytest.approx(truth, rel=TOLERANCE)
    assert measured == pytest.approx(peer, rel=TOLERANCE)


@pytest.mark.slow
def test_a_deep_queue_shows_as_latency_under_load(bridge, lab_table, tmp_path):
    megabits, queue_bytes, delay = 10, 250_000, 0.01
    bridge.set(
        forward=Impairment(
            rate_bits_per_second=megabits * 1e6, queue_bytes=queue_bytes, delay_seconds=delay
        ),
        reverse=Impairment(delay_seconds=delay),
    )
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", tmp_path, duration_seconds=14, direction="upload",
            congestion="cubic",
        )  # fmt: skip
    values = outcome["values"]
    fullest = queue_bytes * 8 / (megabits * 1e6)
    lab_table.record("deep queue: added ms", fullest * 1000, values["net.bufferbloat.delta"] * 1000)
    # Cubic lets the queue run to its end, then to seven tenths of the window.
    assert 0.5 * fullest < values["net.bufferbloat.delta"] < 1.05 * fullest
    assert values["net.tcp.rtt.min"] == pytest.approx(2 * delay, abs=0.005)
    assert outcome["document"]["bufferbloat_grade"] in {"B", "C"}
    assert outcome["document"]["directions"]["upload"]["bottleneck"] in {"path_loss", "path_queue"}


@pytest.mark.slow
def test_a_small_window_is_named_as_what_holds_the_transfer_back(bridge, lab_table, tmp_path):
    bridge.set(forward=Impairment(delay_seconds=0.02), reverse=Impairment(delay_seconds=0.02))
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", tmp_path, duration_seconds=8, direction="upload",
            congestion="cubic", window_bytes=32768,
        )  # fmt: skip
    bottleneck = outcome["document"]["directions"]["upload"]["bottleneck"]
    lab_table.record("small window: held back by", "window or buffer", bottleneck, "", "")
    assert bottleneck in {"receive_window", "send_buffer"}


@pytest.mark.parametrize("direction", [pytest.param("upload", marks=pytest.mark.slow), "download"])
def test_the_receiving_kernel_knows_the_round_trip(bridge, lab_table, tmp_path, direction):
    delay = 0.02
    bridge.set(forward=Impairment(delay_seconds=delay), reverse=Impairment(delay_seconds=delay))
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", tmp_path, duration_seconds=6, direction=direction,
            congestion="cubic", rate_megabits=5, has_latency="false",
        )  # fmt: skip
    truth, measured = 2 * delay, outcome["values"]["net.tcp.rtt.receive"]
    # A stamp has whole milliseconds, and comes back with the next paced packet.
    is_near = truth - 0.001 <= measured <= truth + 0.01
    name = f"{direction}: round trip of the receiver"
    lab_table.record(name, truth * 1000, measured * 1000, "ms", is_near)
    assert is_near


UDP_FAULTS = {
    "a sound path": (Impairment(), Impairment()),
    "2 % lost, 1 % twice": (
        Impairment(drop_ratio=0.02, duplicate_ratio=0.01, seed=5),
        Impairment(drop_ratio=0.02, duplicate_ratio=0.01, seed=6),
    ),
}
PACKET_BYTES = 1400


def list_packets(direction, **select):
    """The packets of a transfer by UDP in the ledger: no others are as long."""
    return [one for one in direction.select(protocol="udp", **select) if one.size_bytes == 1428]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=[pytest.mark.slow] * (not place))
        for place, one in enumerate(UDP_FAULTS)
    ],
)
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_packets_of_udp_are_counted_as_the_path_treated_them(
    bridge, lab_table, tmp_path, name, direction
):
    forward, reverse = UDP_FAULTS[name]
    bridge.reset()
    bridge.set(forward=forward, reverse=reverse)
    with answer_in_far(bridge, "throughput", protocol="tcp"):
        outcome = measure_pair(
            bridge, "throughput", tmp_path, duration_seconds=6, direction=direction,
            protocol="udp", rate_megabits=4, packet_bytes=PACKET_BYTES, omit_seconds=0,
            has_latency="false",
        )  # fmt: skip
    assert outcome["reason"] == ""
    ledger = bridge.ledger()
    assert ledger.missed_count == 0, "the bridge was too slow to prove anything"
    if direction == "upload":
        sent = list_packets(ledger.forward, destination_port=PORT)
    else:
        sent = list_packets(ledger.reverse, source_port=PORT)
    counts = outcome["document"]["directions"][direction]["packets"]
    # The last packets were sent after the measured time.
    measured = sorted(sent, key=lambda one: one.tag)[: counts["sent_count"]]
    expected = {
        "lost_count": sum(one.fate != "passed" for one in measured),
        "received_count": sum(one.fate == "passed" for one in sent),
        "duplicate_count": sum(one.copies - 1 for one in sent if one.fate == "passed"),
        "dropped_count": 0,
    }
    found = {figure: counts[figure] for figure in expected}
    for figure, number in expected.items():
        lab_table.record(f"UDP {direction}, {name}: {figure}", number, found[figure], "", "exact")
    assert found == expected
    assert counts["sent_count"] > 100
