"""The path MTU that the agent finds, against that of the bridge and of a chain of routers."""

import shutil

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.measuring import Agent

SWEEP_BYTES = (1280, 1281, 1300, 1420, 1454, 1472, 1492, 1499, 1500)
LINK_BYTES = 1500
DURATION_SECONDS = 60
VERSIONS = ("ipv4", "ipv6")
slow = pytest.mark.slow


def limit(bridge, mtu_bytes, *, is_silent=False):
    bridge.set(forward=Impairment(mtu_bytes=mtu_bytes, is_mtu_silent=is_silent))


def find_mtu(agent, address, **parameters):
    return agent.test("mtu", address, duration_seconds=DURATION_SECONDS, **parameters)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["icmp", "udp"])
def test_a_path_of_1300_bytes_with_icmp_errors(bridge, agent, lab_table, method, version):
    limit(bridge, 1300)
    outcome = find_mtu(agent, getattr(bridge.far, version), method=method)
    found = outcome["values"]["path.mtu"]
    lab_table.record(f"9 MTU with ICMP, {version} {method}", 1300, found, "B", found == 1300)
    assert found == outcome["values"]["path.mtu.icmp"] == 1300
    assert outcome["values"]["path.mtu.blackhole"] == 0
    assert outcome["values"]["path.mtu.hop"] == 1
    assert outcome["document"]["link"]["mtu"] == LINK_BYTES


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["icmp", pytest.param("udp", marks=slow)])
def test_a_black_hole_of_1300_bytes(bridge, agent, lab_table, method, version):
    limit(bridge, 1300, is_silent=True)
    outcome = find_mtu(agent, getattr(bridge.far, version), method=method)
    found = outcome["values"]["path.mtu"]
    lab_table.record(f"9 black hole, {version} {method}", 1300, found, "B", found == 1300)
    assert found == 1300
    assert outcome["values"]["path.mtu.blackhole"] == 1
    assert outcome["absent"]["path.mtu.icmp"] == "T"
    assert outcome["document"]["vanished"] == [1301, 1500]
    assert "black hole: packets of 1301 to 1500 B vanish" in outcome["reason"]


@slow
@pytest.mark.parametrize("is_silent", [False, True], ids=["with ICMP", "black hole"])
@pytest.mark.parametrize("mtu_bytes", SWEEP_BYTES)
def test_each_size_of_the_sweep_is_found_exactly(bridge, agent, lab_table, mtu_bytes, is_silent):
    limit(bridge, mtu_bytes, is_silent=is_silent)
    values = find_mtu(agent, bridge.far.ipv4)["values"]
    found, word = values["path.mtu"], "black hole" if is_silent else "with ICMP"
    lab_table.record(f"9 sweep, {word}", mtu_bytes, found, "B", found == mtu_bytes)
    assert found == mtu_bytes
    assert values["path.mtu.blackhole"] == float(is_silent and mtu_bytes < LINK_BYTES)


@slow
@pytest.mark.parametrize("drop_ratio", [0.05, 0.2])
def test_loss_that_has_nothing_to_do_with_size_does_not_mislead(
    bridge, agent, lab_table, drop_ratio
):
    bridge.set(forward=Impairment(mtu_bytes=1400, is_mtu_silent=True, drop_ratio=drop_ratio))
    found = find_mtu(agent, bridge.far.ipv4, method="udp")["values"]["path.mtu"]
    lab_table.record(f"9 black hole and {drop_ratio:.0%} loss", 1400, found, "B", found == 1400)
    assert found == 1400


@pytest.mark.parametrize("version", VERSIONS)
def test_the_router_in_front_of_the_narrow_link_is_named(network, tmp_path, lab_table, version):
    chain = network.chain(3, mtu_bytes={2: 1340})
    addresses = (chain.paths if version == "ipv4" else chain.paths_ipv6)[0]
    outcome = find_mtu(Agent(chain.hosts["source"], tmp_path), addresses[-1])
    values, router = outcome["values"], outcome["document"]["router"]
    lab_table.record(f"9 hop of the limit, {version}", 2, values["path.mtu.hop"], "hop")
    assert values["path.mtu"] == 1340
    assert values["path.mtu.hop"] == 2
    assert router == {"address": addresses[1], "mtu": 1340}


@slow
def test_tracepath_sees_the_same_where_routers_speak(bridge, agent, lab_table):
    if shutil.which("tracepath") is None:
        pytest.skip("tracepath is not installed")
    limit(bridge, 1300)
    printed = bridge.run_in("near", ["tracepath", "-n", bridge.far.ipv4], timeout=60)
    theirs = int(printed.rpartition("pmtu ")[2].split()[0])
    ours = find_mtu(agent, bridge.far.ipv4)["values"]["path.mtu"]
    lab_table.record("9 beside tracepath", theirs, ours, "B", ours == theirs)
    assert ours == theirs == 1300
