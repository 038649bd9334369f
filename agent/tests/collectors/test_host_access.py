import pytest

from agent.tests.collectors.trees import SERVER, write_tree
from streamswarm_agent.cli.check_capabilities import USES, Grant, check_capabilities, list_grants
from streamswarm_agent.cli.finding import Check
from streamswarm_agent.collectors.capabilities import detect_capabilities
from streamswarm_agent.collectors.host_access import HostAccess

FILES = {
    **SERVER,
    "self/status": "Name:\tpython\nCapEff:\t0000000000000000\n",
    "class/net/wlan0/phy80211/name": "phy0\n",
    "class/net/eth0/device/vendor": "0x8086\n",
    "block/sda/size": "100\n",
    "block/loop0/size": "0\n",
    "sda": "",
    "ipmi0": "",
}
ADMINISTRATOR = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
OWN = (
    "sensors", "wifi", "energy", "disk_health", "optical_power", "queues", "machine_power",
    "all_processes", "iperf3",
)  # fmt: skip


@pytest.fixture
def access(tmp_path):
    def build(files=FILES, **options):
        root = write_tree(tmp_path, files)
        known = {
            "platform": "linux",
            "find_program": lambda name: f"/usr/sbin/{name}",
            "may_read": lambda _: False,
            "read_file_rights": lambda _: b"",
        }
        return HostAccess(root, root, root, **(known | options))

    return build


def list_missing(found):
    return {name: one for name, one in found.items() if not one["is_available"]}


def test_an_administrator_with_all_programs_may_ask_everything(access):
    files = FILES | {"self/status": ADMINISTRATOR}
    found = access(files, may_read=lambda _: True).describe()
    assert set(found) == {*OWN}
    assert list_missing(found) == {}


def test_what_only_root_may_comes_with_the_command_that_grants_it(access):
    missing = list_missing(access().describe())
    assert {name: one["remedy"].partition(" ")[0] for name, one in missing.items()} == {
        "energy": "chmod",
        "disk_health": "setcap",
        "optical_power": "setcap",
        "machine_power": "chmod",
        "all_processes": "setcap",
    }
    assert all(one["reason"] for one in missing.values())


def test_rights_of_a_programs_file_are_enough(access):
    missing = list_missing(access(read_file_rights=lambda _: b"\1\0\0\2").describe())
    assert missing.keys() == {"energy", "machine_power", "all_processes"}


def test_programs_that_are_not_installed_are_named_with_their_package(access):
    missing = list_missing(access(find_program=lambda _: None).describe())
    remedies = {name: one["remedy"] for name, one in missing.items()}
    assert remedies["wifi"] == "apt install iw"
    assert remedies["disk_health"] == "apt install smartmontools"
    assert remedies["optical_power"] == "apt install ethtool"
    assert remedies["queues"] == "apt install iproute2"
    assert remedies["machine_power"] == "apt install ipmitool"
    assert remedies["iperf3"] == "apt install iperf3"


def test_a_host_without_the_hardware_says_so_and_offers_no_command(access):
    missing = list_missing(access({"self/status": ADMINISTRATOR}).describe())
    assert missing.keys() == {*OWN} - {"queues", "all_processes", "iperf3"}
    assert {one["remedy"] for one in missing.values()} == {""}


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_offer_only_what_programs_of_theirs_tell(access, platform):
    found = access(platform=platform).describe()
    assert set(found) == {*OWN}
    assert found["disk_health"] == found["iperf3"] == {"is_available": True}
    reasons = {one["reason"] for one in list_missing(found).values()}
    assert all("only Linux" in reason for reason in reasons)


def test_every_capability_says_what_it_enables_and_what_stands_in_for_it():
    found = {name: {**one, "is_available": False} for name, one in detect_capabilities().items()}
    checks = list(check_capabilities(found))
    assert set(found) == set(USES)
    assert all(check.enables and check.fallback for check in checks)


@pytest.mark.parametrize(
    ("available", "fallback"),
    [
        ((), "no ping at all"),
        (
            ("tcp_connect",),
            "UDP or TCP for ping, UDP for traces and path MTUs; the method stands at each result",
        ),
        (
            ("icmp_datagram", "tcp_connect"),
            "an ICMP datagram socket; the method stands at each result",
        ),
    ],
)
def test_the_fallback_is_the_best_of_what_is_there(available, fallback):
    found = {
        name: {"is_available": name in available, "reason": "no", "remedy": ""}
        for name in ("icmp_raw", "icmp_datagram", "tcp_connect")
    }
    checks = {check.subject: check for check in check_capabilities(found)}
    assert checks["icmp raw"].fallback == fallback


def miss(subject, remedy):
    return Check(
        subject, is_good=False, detail="no", remedy=remedy, is_required=False, enables="figures"
    )


def test_all_that_one_program_lacks_is_one_command_since_the_second_would_undo_the_first():
    checks = [
        miss("all processes", "setcap cap_dac_read_search,cap_sys_ptrace+ep /opt/my python"),
        miss("energy", "chmod o+r /sys/energy"),
        miss("icmp raw", "setcap cap_net_raw+ep /opt/my python"),
        miss("optical power", "setcap cap_net_admin+ep /usr/sbin/ethtool"),
        miss("packet capture", "setcap cap_net_raw+ep /opt/my python"),
        miss("wifi", ""),
        Check("spool", is_good=False, detail="full", remedy="find out why"),
        Check("queues", is_good=True, detail="available", remedy="apt", enables="drops"),
    ]
    assert list_grants(checks) == [
        Grant(
            "setcap cap_dac_read_search,cap_net_raw,cap_sys_ptrace+ep /opt/my python",
            ("all processes", "icmp raw", "packet capture"),
        ),
        Grant("chmod o+r /sys/energy", ("energy",)),
        Grant("setcap cap_net_admin+ep /usr/sbin/ethtool", ("optical power",)),
    ]
