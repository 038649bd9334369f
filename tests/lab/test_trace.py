"""The hops and paths that the agent finds, against networks that are known."""

import re
import shutil
from dataclasses import dataclass

import pytest

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.measuring import Agent
from streamswarm_agent.laboratory.namespaces import Namespace

DURATION_SECONDS = 2
FLOWS = 32
METHODS = ("udp", "icmp", "tcp")
slow = pytest.mark.slow


@pytest.fixture
def trace(tmp_path):
    def run(topology, target=None, **parameters):
        options = {"resolve_names": "false", "wait_seconds": 0.5, "duration_seconds": 2}
        source = Agent(topology.hosts["source"], tmp_path)
        return source.test("trace", target or topology.target, **(options | parameters))

    return run


def paths_of(outcome):
    return {tuple(flow["path"]) for flow in outcome["document"]["flows"]}


def addresses_of(outcome):
    return [
        [station["address"] for station in hop["stations"]] for hop in outcome["document"]["hops"]
    ]


@pytest.mark.parametrize("width", [1, 2, pytest.param(4, marks=slow)])
def test_all_equal_paths_are_found_and_no_other(network, trace, lab_table, width):
    topology = network.equal_paths(width)
    outcome = trace(topology, flows=FLOWS, packets_per_second=1000, queries=2)
    truth, found = {tuple(path) for path in topology.paths}, paths_of(outcome)
    lab_table.record(
        f"11 ECMP paths of width {width}", len(truth), len(found), "paths", found == truth
    )
    assert found == truth
    assert outcome["values"]["path.ecmp.width"] == width
    assert outcome["values"]["path.hop.loss.ratio"] == 0


@slow
@pytest.mark.parametrize("width", [2, 4])
def test_an_icmp_trace_of_mtr_cannot_see_what_ours_sees(network, trace, lab_table, width):
    if shutil.which("mtr") is None:
        pytest.skip("mtr is not installed")
    topology = network.equal_paths(width)
    printed = topology.run_in(
        "source", ["mtr", "-n", "-r", "-c", "3", "-i", "0.2", topology.target], timeout=60
    )
    theirs = set(re.findall(r"198\.18\.\d+\.\d+", printed))
    outcome = trace(topology, flows=FLOWS, queries=1, packets_per_second=1000)
    ours = {address for path in paths_of(outcome) for address in path}
    truth = {address for path in topology.paths for address in path}
    figure = f"11 addresses where mtr has {len(theirs)}"
    lab_table.record(figure, len(truth), len(ours), "addresses", ours == truth)
    assert theirs < ours == truth


@pytest.mark.parametrize("method", [*METHODS])
@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_the_hops_of_a_chain_by_each_method(network, trace, lab_table, method, version):
    chain = network.chain(3)
    truth = (chain.paths if version == "ipv4" else chain.paths_ipv6)[0]
    outcome = trace(chain, truth[-1], method=method, flows=2)
    found = addresses_of(outcome)
    is_right = found == [[address] for address in truth]
    lab_table.record(f"trace of 3 routers, {version} {method}", 4, len(found), "hops", is_right)
    assert is_right
    assert outcome["is_success"]
    assert outcome["values"]["path.hop.count"] == 4
    assert outcome["values"]["path.hop.unresponsive"] == 0
    assert outcome["values"]["path.loop.detected"] == 0
    assert outcome["values"].get("path.asymmetry.hops", 0) == 0


@dataclass(frozen=True, slots=True)
class Powerless(Namespace):
    """The same host, for a process without any capability."""

    def command(self, argv):
        return Namespace.command(self, ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *argv])


def test_no_privilege_is_needed(network, tmp_path):
    chain = network.chain(2)
    chain.hosts["source"].configure({"net.ipv4.ping_group_range": "1 0"})
    agent = Agent(Powerless(chain.hosts["source"].name), tmp_path)
    options = {"resolve_names": "false", "duration_seconds": 1}
    for method in ("udp", "tcp"):
        outcome = agent.test("trace", chain.target, method=method, **options)
        assert addresses_of(outcome) == [[one] for one in chain.paths[0]]


def test_a_way_round_is_a_change_of_route(network, lab_table, tmp_path):
    """The flows are the same in every run, so that only the route can differ."""
    topology = network.equal_paths(2)
    agent = Agent(topology.hosts["source"], tmp_path)
    options = {"flows": 8, "queries": 1, "resolve_names": "false", "duration_seconds": 1}
    first, second = (agent.test("trace", topology.target, **options) for _ in range(2))
    assert first["facts"]["path.hash"] == second["facts"]["path.hash"]
    topology.run_in("entry", ["ip", "route", "replace", "198.18.200.0/24", "via",
                              topology.paths[0][1]])  # fmt: skip
    third = agent.test("trace", topology.target, **options)
    lab_table.record("route change", 1, len(paths_of(third)), "path left")
    assert third["facts"]["path.hash"] != first["facts"]["path.hash"]
    assert paths_of(third) == {tuple(topology.paths[0])}


def test_loss_on_a_link_is_seen_from_there_on_and_equals_the_ledger(network, trace, lab_table):
    chain = network.chain(3, faulty_link=1)
    chain.faults.set(forward=Impairment(drop_every=4))
    outcome = trace(chain, flows=4, queries=10, max_ttl=4, duration_seconds=8)
    hops, lost = outcome["document"]["hops"], chain.faults.ledger().forward.total.lost
    measured = sum(hop["sent"] - hop["received"] for hop in hops)
    lab_table.record("probes lost behind hop 1", lost, measured, "probes", measured == lost)
    assert hops[0]["loss_ratio"] == 0
    assert measured == lost > 0


def test_a_router_that_limits_its_answers_is_not_taken_for_loss(network, trace):
    chain = network.chain(3)
    chain.hosts["hop2"].configure({"net.ipv4.icmp_ratelimit": "1000"})
    outcome = trace(chain, flows=16, queries=2, packets_per_second=1000)
    second = outcome["document"]["hops"][1]
    assert second["is_rate_limited"]
    assert second["forwarding_loss_ratio"] == 0
    assert outcome["values"]["path.hop.loss.ratio"] == 0


def test_a_router_that_never_answers_is_a_gap(network, trace):
    chain = network.chain(3)
    chain.run_in("hop2", ["ip", "rule", "add", "from", chain.paths[0][1], "blackhole"])
    outcome = trace(chain, flows=1)
    answered = [len(stations) for stations in addresses_of(outcome)]
    assert answered == [1, 0, 1, 1]
    assert outcome["document"]["flows"][0]["path"][1] is None
    assert outcome["values"]["path.hop.unresponsive"] == 1
    assert outcome["values"]["path.hop.count"] == 4


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_the_hop_that_gets_another_class_is_named(bridge, agent, lab_table, version):
    key = "qos.dscp.hop_changed{dscp=46}"
    target = getattr(bridge.far, version)
    options = {"dscp": 46, "resolve_names": "false", "wait_seconds": 0.5, "duration_seconds": 2}
    kept = agent.test("trace", target, **options)
    bridge.set(forward=Impairment(is_dscp_bleached=True))
    found = agent.test("trace", target, **options)["values"].get(key)
    lab_table.record(f"hop that gets DSCP 46 bleached, {version}", 1, found, "hop", found == 1)
    assert kept["absent"][key] == "N"
    assert found == 1
