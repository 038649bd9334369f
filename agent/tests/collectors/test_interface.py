from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from agent.tests.collectors.trees import write_tree
from streamswarm_agent.collectors.interface import InterfaceCollector, choose_interfaces


class Counters(NamedTuple):
    bytes_sent: int
    bytes_recv: int
    packets_sent: int
    packets_recv: int
    errin: int
    errout: int
    dropin: int
    dropout: int


def state(*, speed=1000, isup=True, mtu=1500, duplex=psutil.NIC_DUPLEX_UNKNOWN):
    return SimpleNamespace(speed=speed, isup=isup, mtu=mtu, duplex=duplex)


@pytest.fixture
def collector_of(dial):
    def build(*passes, states):
        remaining = iter(passes)
        return InterfaceCollector(lambda: next(remaining), lambda: states, dial)

    return build


def test_traffic_is_in_bits_a_second_and_the_link_in_base_units(collector_of, collect, dial):
    collector = collector_of(
        {"eth0": Counters(0, 0, 0, 0, 0, 0, 0, 0)},
        {"eth0": Counters(1_000_000, 62_500_000, 100, 200, 5, 10, 15, 20)},
        states={"eth0": state()},
    )
    first = collect(collector)["eth0"]
    assert first.absent["system.network.io.rate{direction=receive}"] == "I"
    assert first.absent["system.network.link.utilization"] == "I"
    dial.seconds += 5
    values = collect(collector)["eth0"].values
    assert values["system.network.io.rate{direction=receive}"] == 100_000_000
    assert values["system.network.io.rate{direction=transmit}"] == 1_600_000
    assert values["system.network.packet.rate{direction=receive}"] == 40
    assert values["system.network.errors.rate{direction=transmit}"] == 2
    assert values["system.network.packet.dropped.rate{direction=receive}"] == 3
    assert values["system.network.io{direction=receive}"] == 62_500_000
    assert values["system.network.packet.count{direction=transmit}"] == 100
    assert values["system.network.errors{direction=receive}"] == 5
    assert values["system.network.packet.dropped{direction=transmit}"] == 20
    assert values["system.network.link.speed"] == 1e9
    assert values["system.network.link.utilization"] == pytest.approx(0.1)
    assert values["system.network.link.up"] == 1
    assert values["system.network.link.mtu"] == 1500


def test_without_a_nominal_speed_there_is_no_utilisation(collector_of, collect):
    collector = collector_of(
        {"lo": Counters(*[1] * 8)}, states={"lo": state(speed=0, isup=False, mtu=65536)}
    )
    frame = collect(collector)["lo"]
    assert frame.absent["system.network.link.speed"] == "U"
    assert frame.absent["system.network.link.utilization"] == "U"
    assert frame.values["system.network.link.up"] == 0


def test_counters_that_went_back_give_no_rate_but_their_value(collector_of, collect, dial):
    collector = collector_of(
        {"eth0": Counters(*[100] * 8)}, {"eth0": Counters(*[7] * 8)}, states={"eth0": state()}
    )
    collect(collector)
    dial.seconds += 1
    frame = collect(collector)["eth0"]
    assert frame.absent["system.network.io.rate{direction=receive}"] == "I"
    assert frame.values["system.network.io{direction=receive}"] == 7


def test_an_interface_that_left_and_came_back_starts_anew(collector_of, collect, dial):
    up = {"ppp0": Counters(*[100] * 8)}
    collector = collector_of(up, {}, up, states={})
    collect(collector)
    collect(collector)
    dial.seconds += 1
    frame = collect(collector)["ppp0"]
    assert frame.absent["system.network.io.rate{direction=receive}"] == "I"
    assert frame.absent["system.network.link.up"] == "U"


def test_an_interface_without_counters_still_has_its_link(collector_of, collect):
    frame = collect(collector_of({}, states={"wg0": state(mtu=1420)}))["wg0"]
    assert frame.absent["system.network.io{direction=receive}"] == "U"
    assert frame.absent["system.network.io.rate{direction=receive}"] == "U"
    assert frame.values["system.network.link.mtu"] == 1420


def test_the_duplex_mode_is_a_fact_where_it_is_known(collector_of):
    states = {"eth0": state(duplex=psutil.NIC_DUPLEX_FULL), "wlan0": state()}
    facts = collector_of({}, states=states).collect().facts
    assert [(fact.subject, fact.value) for fact in facts] == [("eth0", "full")]


def test_the_interfaces_of_containers_give_way_to_the_hosts_own():
    names = [f"veth{number}" for number in range(200)] + ["wlan0", "eth0", "lo"]
    chosen = choose_interfaces(names)
    assert len(chosen) == 64
    assert chosen[:3] == ["eth0", "lo", "wlan0"]


def test_the_real_interfaces_are_read(collect):
    assert collect(InterfaceCollector())


def test_what_the_adapter_itself_lost_is_read_from_sysfs(collect, tmp_path, dial):
    files = {"carrier_changes": 3, "statistics/rx_missed_errors": 70}
    write_tree(tmp_path, {f"class/net/eth0/{name}": f"{n}\n" for name, n in files.items()})
    collector = InterfaceCollector(dict, lambda: {"eth0": state()}, dial, tmp_path)
    frame = collect(collector)["eth0"]
    assert frame.values["system.network.nic.ring_dropped"] == 70
    assert frame.absent["system.network.nic.crc_errors"] == "U"


def test_an_unknown_duplex_mode_is_absent_with_its_reason(collector_of, collect):
    full = state(duplex=psutil.NIC_DUPLEX_FULL)
    collector = collector_of({}, states={"eth0": full, "wg0": state()})
    frames = collect(collector)
    assert frames["wg0"].absent["system.network.link.duplex"] == "U"
    assert "system.network.link.duplex" not in frames["eth0"].absent
