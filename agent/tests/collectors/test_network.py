import sys

import pytest

from agent.tests.collectors.trees import write_tree
from streamswarm_agent.collectors.network import RATES, NetworkCollector

# A router with two processors, connection tracking and a neighbour that went away.
ROUTER = {
    "net/snmp": (
        "Tcp: RtoAlgorithm EstabResets CurrEstab RetransSegs OutRsts\n"
        "Tcp: 1 40 12 1000 60\n"
        "Udp: InDatagrams RcvbufErrors SndbufErrors\n"
        "Udp: 5000 70 1\n"
    ),
    "net/netstat": (
        "TcpExt: TCPTimeouts ListenDrops TCPSpuriousRTOs\nTcpExt: 300 20 10\n"
        "IpExt: InNoRoutes\nIpExt: 0\n"
    ),
    "net/sockstat": (
        "sockets: used 246\nTCP: inuse 29 orphan 2 tw 573 alloc 31 mem 0\nUDP: inuse 3 mem 0\n"
    ),
    "net/sockstat6": "TCP6: inuse 6\nUDP6: inuse 1\n",
    "net/softnet_stat": (
        "003ce4b4 00000010 00000004 00000000\n0034ab80 00000001 0000000a 00000000\n"
    ),
    "net/snmp6": "Udp6InErrors                    	9\nUdp6RcvbufErrors                	5\n",
    "net/arp": (
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n"
        "192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0\n"
    ),
    "sys/net/netfilter/nf_conntrack_count": "16384\n",
    "sys/net/netfilter/nf_conntrack_max": "65536\n",
}
LATER = {
    "net/snmp": (
        "Tcp: RtoAlgorithm EstabResets CurrEstab RetransSegs OutRsts\n"
        "Tcp: 1 45 12 1020 65\n"
        "Udp: InDatagrams RcvbufErrors SndbufErrors\n"
        "Udp: 5000 100 1\n"
    ),
    "net/netstat": "TcpExt: TCPTimeouts ListenDrops TCPSpuriousRTOs\nTcpExt: 310 20 9\n",
    "net/snmp6": "Udp6RcvbufErrors                	15\n",
}


def refuse():
    raise OSError


@pytest.fixture
def proc(tmp_path):
    return write_tree(tmp_path, ROUTER)


def test_sockets_queues_tracking_and_neighbours_are_those_of_the_kernel(proc, collect, dial):
    values = collect(NetworkCollector(proc, dial, refuse))[""].values
    assert values == {
        "net.tcp.host.established": 12,
        "system.network.connection.count": 29 + 6 + 573,
        "system.network.connection.count{state=established}": 12,
        "system.network.connection.count{state=time_wait}": 573,
        "system.network.connection.count{state=orphan}": 2,
        "system.network.softnet.dropped": 0x11,
        "system.network.softnet.squeezed": 0xE,
        "system.network.conntrack.utilization": 0.25,
        "system.network.neighbour.failed": 1,
    }


def test_trouble_is_told_a_second_and_a_counter_that_went_back_tells_none(proc, collect, dial):
    collector = NetworkCollector(proc, dial, refuse)
    assert set(collect(collector)[""].absent.items()) == {(name, "I") for name in RATES}
    dial.seconds += 10
    write_tree(proc, LATER)
    frame = collect(collector)[""]
    assert frame.values["net.tcp.host.retransmit.rate"] == 2
    assert frame.values["net.tcp.host.timeouts.rate"] == 1
    assert frame.values["net.tcp.host.listen_drops.rate"] == 0
    assert frame.values["net.tcp.host.resets.rate"] == 1
    assert frame.values["system.network.udp.rcvbuf_errors.rate"] == 4
    assert frame.absent == {"net.tcp.host.spurious_rto.rate": "I"}


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("net/netstat", {"net.tcp.host.timeouts.rate", "net.tcp.host.listen_drops.rate",
                         "net.tcp.host.spurious_rto.rate"}),
        ("net/softnet_stat", {"system.network.softnet.dropped", "system.network.softnet.squeezed"}),
        ("net/arp", {"system.network.neighbour.failed"}),
        ("sys/net/netfilter/nf_conntrack_max", {"system.network.conntrack.utilization"}),
        ("net/sockstat", {"system.network.connection.count",
                          "system.network.connection.count{state=time_wait}",
                          "system.network.connection.count{state=orphan}"}),
    ],
)  # fmt: skip
def test_a_file_that_is_not_there_leaves_out_its_figures_and_no_others(
    proc, collect, path, missing, dial
):
    (proc / path).unlink()
    absent = collect(NetworkCollector(proc, dial, refuse))[""].absent
    assert {key for key, code in absent.items() if code == "U"} == missing


def test_a_host_without_these_files_says_that_all_is_unsupported(tmp_path, collect, catalogue):
    frame = collect(NetworkCollector(tmp_path, count_neighbours=refuse))[""]
    assert not frame.values
    assert set(frame.absent.values()) == {"U"}
    names = {key.partition("{")[0] for key in frame.absent}
    assert names == {name for name, row in catalogue.items() if "network" in row["emitted_by"]}


def test_neighbours_are_those_that_the_kernel_tells_of_both_families(proc, collect, dial):
    frame = collect(NetworkCollector(proc, dial, lambda: 7))[""]
    assert frame.values["system.network.neighbour.failed"] == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/net")
def test_the_real_host_is_read(collect):
    collector = NetworkCollector()
    collect(collector)
    frame = collect(collector)[""]
    assert frame.values["system.network.connection.count"] >= 0
    assert set(RATES) <= set(frame.values)
