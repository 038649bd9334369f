from types import SimpleNamespace

import psutil
import pytest

from agent.tests.collectors.recorded import (
    REFUSED,
    UNSUPPORTED,
    Programs,
    answer_of,
    nothing_installed,
)
from agent.tests.collectors.trees import write_tree
from streamswarm_agent.collectors.adapters import (
    NO_QUEUE,
    count_ring_drops,
    read_light,
    read_queues,
)
from streamswarm_agent.collectors.commands import Answer
from streamswarm_agent.collectors.interface import InterfaceCollector

POWER = "system.network.optical.power"
LINK = SimpleNamespace(isup=True, speed=10_000, mtu=1500, duplex=psutil.NIC_DUPLEX_FULL)


def with_ethtool(answer):
    return Programs(ethtool=answer)


@pytest.mark.parametrize(
    ("report", "count"), [("virtio", 0), ("igb", 512), ("mlx5", 91), (None, None)]
)
def test_ring_drops_are_the_drivers_own_count(report, count):
    answer = answer_of(f"ethtool/{report} statistics") if report else UNSUPPORTED
    assert count_ring_drops(with_ethtool(answer), "eth0") == count


def test_light_of_a_single_fibre_is_in_dbm_by_direction():
    assert read_light(with_ethtool(answer_of("ethtool/sfp")), "eth0") == {
        f"{POWER}{{direction=transmit,lane=1}}": -2.56,
        f"{POWER}{{direction=receive,lane=1}}": -5.62,
    }


def test_light_of_four_lanes_and_darkness_as_the_least_a_module_can_say():
    found = read_light(with_ethtool(answer_of("ethtool/qsfp")), "eth0")
    assert [found[f"{POWER}{{direction=receive,lane={n}}}"] for n in (1, 2, 3, 4)] == [
        -1.15, -0.21, -40.0, -40.0
    ]  # fmt: skip
    assert found[f"{POWER}{{direction=transmit,lane=4}}"] == -0.29
    assert len(found) == 8


@pytest.mark.parametrize(
    ("answer", "code"),
    [(None, "U"), (REFUSED, "P"), (UNSUPPORTED, "U"), (answer_of("ethtool/copper"), "N")],
)
def test_light_that_is_not_measured_has_its_reason(answer, code):
    assert read_light(with_ethtool(answer), "eth0") == {POWER: code}


def test_the_outermost_queue_of_an_interface_tells_drops_backlog_and_overlimits():
    queues = read_queues(Programs(tc=answer_of("tc.json")))
    assert queues["eth0"] == {
        "qos.local.qdisc.dropped{qdisc=mq}": 17,
        "qos.local.qdisc.backlog{qdisc=mq}": 3028,
        "qos.local.qdisc.overlimits{qdisc=mq}": 3,
    }
    assert queues["lo"]["qos.local.qdisc.dropped{qdisc=noqueue}"] == 0


@pytest.mark.parametrize("answer", [None, Answer(""), Answer("[]"), UNSUPPORTED])
def test_without_tc_there_is_no_queue(answer):
    assert read_queues(Programs(tc=answer)) == {}


@pytest.fixture
def sys_root(tmp_path):
    files = {"statistics/rx_missed_errors": "480\n", "device/vendor": "0x8086\n"}
    return write_tree(tmp_path, {f"class/net/eth0/{name}": text for name, text in files.items()})


def test_an_interface_has_its_ring_its_light_and_its_queue(sys_root, collect, dial):
    def ethtool(arguments):
        return answer_of("ethtool/igb statistics" if arguments[1] == "-S" else "ethtool/sfp")

    programs = Programs(ethtool=ethtool, tc=answer_of("tc.json"))
    collector = InterfaceCollector(
        dict, lambda: {"eth0": LINK, "lo": LINK}, dial, sys_root, programs
    )
    frames = collect(collector)
    assert frames["eth0"].values["system.network.nic.ring_dropped"] == 512
    assert frames["eth0"].values["qos.local.qdisc.dropped{qdisc=mq}"] == 17
    assert frames["eth0"].values[f"{POWER}{{direction=receive,lane=1}}"] == -5.62
    assert frames["lo"].absent[POWER] == "U"
    for _ in range(5):
        dial.seconds += 10
        collect(collector)
    assert programs.calls.count("ethtool -m eth0") == 1
    dial.seconds += 10
    collect(collector)
    assert programs.calls.count("ethtool -m eth0") == 2


def test_without_the_programs_the_kernels_count_stands(sys_root, collect, dial):
    collector = InterfaceCollector(dict, lambda: {"eth0": LINK}, dial, sys_root, nothing_installed)
    frame = collect(collector)["eth0"]
    assert frame.values["system.network.nic.ring_dropped"] == 480
    assert frame.absent.items() >= {**NO_QUEUE, POWER: "U"}.items()
