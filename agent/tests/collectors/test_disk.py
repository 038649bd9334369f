from types import SimpleNamespace

import pytest

from streamswarm_agent.collectors.disk import DiskCollector

FIELDS = ("read_bytes", "write_bytes", "read_count", "write_count", "read_time", "write_time")


def counters(*values, **more):
    return SimpleNamespace(**dict(zip(FIELDS, values, strict=True)), **more)


@pytest.fixture
def sys_root(tmp_path):
    for name in ("sda", "nvme0n1", "loop0", "zram0", "cciss!c0d0"):
        (tmp_path / "block" / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def collector_of(sys_root, dial):
    def build(*passes, platform="linux"):
        remaining = iter(passes)
        return DiskCollector(lambda: next(remaining), sys_root, dial, platform)

    return build


def test_rates_latency_and_utilisation_come_from_two_passes(collector_of, collect, dial):
    collector = collector_of(
        {"sda": counters(0, 0, 10, 10, 100, 100, busy_time=1000)},
        {"sda": counters(5_000, 10_000, 20, 10, 150, 100, busy_time=3500)},
    )
    assert set(collect(collector)["sda"].absent.values()) == {"I"}
    dial.seconds += 5
    frame = collect(collector)["sda"]
    assert frame.values == {
        "system.disk.io.rate{direction=read}": 1000,
        "system.disk.io.rate{direction=write}": 2000,
        "system.disk.operations.rate{direction=read}": 2,
        "system.disk.operations.rate{direction=write}": 0,
        "system.disk.io{direction=read}": 5_000,
        "system.disk.io{direction=write}": 10_000,
        "system.disk.operations{direction=read}": 20,
        "system.disk.operations{direction=write}": 10,
        "system.disk.operation.latency{direction=read}": pytest.approx(0.005),
        "system.disk.utilization": pytest.approx(0.5),
    }
    assert frame.absent == {"system.disk.operation.latency{direction=write}": "N"}


def test_counters_that_went_back_give_no_rate(collector_of, collect, dial):
    collector = collector_of(
        {"sda": counters(9, 9, 9, 9, 9, 9, busy_time=9)},
        {"sda": counters(1, 1, 1, 1, 1, 1, busy_time=1)},
    )
    collect(collector)
    dial.seconds += 5
    assert set(collect(collector)["sda"].absent.values()) == {"I"}


def test_only_whole_real_devices_are_reported_on_linux(collector_of, collect):
    names = ["sda", "sda1", "nvme0n1", "nvme0n1p1", "loop0", "zram0", "cciss/c0d0"]
    collector = collector_of({name: counters(0, 0, 0, 0, 0, 0) for name in names})
    assert set(collect(collector)) == {"sda", "nvme0n1", "cciss/c0d0"}


def test_elsewhere_all_devices_are_reported_without_busy_time(collector_of, collect, dial):
    one_pass = {"disk0": counters(1, 1, 1, 1, 1, 1)}
    collector = collector_of(one_pass, one_pass, platform="darwin")
    collect(collector)
    dial.seconds += 1
    assert collect(collector)["disk0"].absent["system.disk.utilization"] == "U"


def test_a_machine_without_disks_has_no_frames(collector_of, collect):
    assert collect(collector_of(None)) == {}


def test_utilisation_never_exceeds_one(collector_of, collect, dial):
    collector = collector_of(
        {"sda": counters(0, 0, 0, 0, 0, 0, busy_time=0)},
        {"sda": counters(0, 0, 0, 0, 0, 0, busy_time=1010)},
    )
    collect(collector)
    dial.seconds += 1
    assert collect(collector)["sda"].values["system.disk.utilization"] == 1


def test_the_real_disks_are_read(collect):
    collector = DiskCollector()
    assert set(collect(collector)) == set(collect(collector))
