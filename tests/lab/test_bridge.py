"""The bridge itself: programs that know nothing of it meet what it was told to do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.namespaces import (
    NAMESPACE_FOLDER,
    LaboratoryFailed,
    sweep_stale,
)
from streamswarm_agent.laboratory.path import SOURCE_FOLDER

STREAM = Path(__file__).with_name("udp_stream.py")
PORT = 7007
SECONDS = 60


def stream(bridge, *, count, size_bytes=200, rate_bits_per_second=1_000_000, traffic_class=0):
    """What a UDP receiver at the far end saw: number, traffic class, delay of each datagram."""
    receiver = bridge.start_in(
        "far", [sys.executable, STREAM, "receive", bridge.far.ipv4, str(PORT)],
        stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert receiver.stdout.readline() == "ready\n"
    sender = [
        sys.executable, str(STREAM), "send", bridge.far.ipv4, str(PORT), str(count),
        str(size_bytes), str(rate_bits_per_second), str(traffic_class),
    ]  # fmt: skip
    bridge.run_in("near", sender, timeout=SECONDS)
    ledger = bridge.ledger()
    assert ledger.missed_count == 0
    printed, _ = receiver.communicate("end\n", timeout=SECONDS)
    return json.loads(printed), ledger.forward.count(destination_port=PORT)


def test_the_route_can_be_tightened_and_is_told_or_not(bridge):
    if shutil.which("tracepath") is None:
        pytest.skip("tracepath is not installed, and nobody else asks for the path's MTU")
    for target, option in ((bridge.far.ipv4, "-4"), (bridge.far.ipv6, "-6")):
        for mtu_bytes in (1500, 1400, 1300, 1280):
            bridge.reset()
            bridge.set(forward=Impairment(mtu_bytes=mtu_bytes))
            printed = bridge.run_in("near", ["tracepath", option, "-n", target])
            assert f"pmtu {mtu_bytes} " in printed.splitlines()[-1]


def test_a_black_hole_says_nothing(bridge):
    bridge.set(forward=Impairment(mtu_bytes=1300, is_mtu_silent=True))
    seen, counts = stream(bridge, count=5, size_bytes=1400)
    assert seen == []
    assert counts.too_big == 5


@pytest.mark.parametrize(
    ("impairment", "traffic_class", "counted"),
    [
        (Impairment(ce_ratio=0.1, seed=3), 46 << 2 | 2, "marked"),
        (Impairment(is_dscp_bleached=True), 46 << 2, "bleached"),
        (Impairment(ce_ratio=1), 46 << 2, "marked"),
    ],
)
def test_marks_and_bleaching_arrive_as_the_ledger_has_them(
    bridge, lab_table, impairment, traffic_class, counted
):
    bridge.set(forward=impairment)
    seen, counts = stream(bridge, count=200, traffic_class=traffic_class)
    changed = sum(each["traffic_class"] != traffic_class for each in seen)
    truth = getattr(counts, counted)
    lab_table.record(f"packets {counted} by a router", truth, changed, "packets", changed == truth)
    assert len(seen) == 200
    assert changed == truth


def test_loss_duplicates_and_order_arrive_as_the_ledger_has_them(bridge, lab_table):
    bridge.set(
        forward=Impairment(
            drop_ratio=0.05, duplicate_ratio=0.02, reorder_ratio=0.03, reorder_seconds=0.02
        )
    )
    seen, counts = stream(bridge, count=1000, rate_bits_per_second=800_000)
    numbers = [each["number"] for each in seen]
    firsts = list(dict.fromkeys(numbers))
    furthest, reordered = -1, 0
    for number in firsts:
        reordered += number < furthest
        furthest = max(furthest, number)
    found = {
        "lost": 1000 - len(firsts),
        "duplicated": len(numbers) - len(firsts),
        "reordered": reordered,
    }
    for name, number in found.items():
        truth = getattr(counts, name)
        lab_table.record(f"UDP datagrams {name}", truth, number, "packets", number == truth)
        assert number == truth > 0


def test_a_shaper_delays_and_a_policer_drops(bridge):
    shaped = Impairment(rate_bits_per_second=1_000_000, queue_bytes=50_000)
    bridge.set(forward=shaped)
    seen, counts = stream(bridge, count=100, size_bytes=472, rate_bits_per_second=4_000_000)
    delays = [each["delay_seconds"] for each in seen]
    # 500 B take 4 ms on the line and come each ms: the last waits about 0.3 s.
    assert counts.queue_full == 100 - len(seen)
    assert delays[-1] - delays[0] > 0.2
    bridge.reset()
    bridge.set(forward=Impairment(policer_bits_per_second=1_000_000, policer_burst_bytes=5_000))
    seen, counts = stream(bridge, count=100, size_bytes=472, rate_bits_per_second=4_000_000)
    assert counts.policed == 100 - len(seen) > 0


def test_the_path_may_be_changed_while_in_use(bridge):
    bridge.set(forward=Impairment(drop_every=1))
    _, counts = stream(bridge, count=10)
    assert counts.lost == 10
    bridge.set(forward=Impairment())
    seen, counts = stream(bridge, count=10)
    assert (len(seen), counts.lost, counts.arrived) == (10, 10, 20)


def test_an_impossible_wish_is_refused_and_the_path_goes_on(bridge):
    with pytest.raises(LaboratoryFailed, match="no such field"):
        bridge._order({"set": {"forward": {"los": 1}}})
    assert bridge.ledger().forward.total.arrived == 0


def test_what_a_killed_laboratory_left_is_swept_away_at_the_next_start(laboratory_is_possible):
    program = (
        "from streamswarm_agent.laboratory.path import open_path\n"
        "with open_path() as path:\n"
        "    print(path.host('near').name, flush=True)\n"
        "    input()\n"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE_FOLDER)},
    )  # fmt: skip
    name = killed.stdout.readline().strip()
    assert (NAMESPACE_FOLDER / name).exists()
    killed.send_signal(SIGKILL)
    killed.communicate()
    swept = sweep_stale()
    assert name in swept or not (NAMESPACE_FOLDER / name).exists()
    assert not list(NAMESPACE_FOLDER.glob(f"swarm-lab-{killed.pid}-*"))
