"""The networks that tracing is proved on are what they say."""

import shutil

import pytest

from streamswarm_agent.laboratory.impairment import Impairment

TRACE = ["traceroute", "-n", "-q", "1", "-w", "3"]


@pytest.fixture
def traceroute():
    if shutil.which("traceroute") is None:
        pytest.skip("traceroute is not installed, and nobody else tells the paths")


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def trace(topology, *options, target=None):
    """The addresses that answered, hop by hop."""
    printed = topology.run_in("source", [*TRACE, *options, target or topology.target])
    return [line.split()[1] for line in printed.splitlines()[1:]]


def test_a_chain_has_the_hops_it_says(network, traceroute):
    chain = network.chain(3)
    assert trace(chain) == chain.paths[0]
    assert trace(chain, target=chain.target_ipv6) == chain.paths_ipv6[0]


def test_a_link_of_a_chain_can_be_impaired(network, traceroute):
    chain = network.chain(2, faulty_link=1)
    chain.faults.set(forward=Impairment(drop_every=1))
    assert trace(chain, "-m", "3") == [chain.paths[0][0], "*", "*"]
    assert chain.faults.ledger().forward.total.lost == 2


@pytest.mark.parametrize("width", [slow(1), 2, slow(4)])
def test_equal_paths_are_all_in_use(network, traceroute, lab_table, width):
    topology = network.equal_paths(width)
    flows = [trace(topology, "-U", "-p", "33434", f"--sport={40000 + flow}") for flow in range(32)]
    found = {tuple(path) for path in flows}
    truth = {tuple(path) for path in topology.paths}
    lab_table.record(f"paths of width {width}", len(truth), len(found), "paths", found == truth)
    assert found == truth
