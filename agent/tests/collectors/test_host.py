from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from streamswarm_agent.collectors.host import HostCollector, HostReaders
from streamswarm_agent.kernel_clock import KernelClock


class Times(NamedTuple):
    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    steal: float


def refuse():
    raise PermissionError


@pytest.fixture
def readers(dial):
    return HostReaders(
        cpu_times=lambda: Times(*(dial() * share for share in (0.2, 0.0, 0.05, 0.6, 0.1, 0.05))),
        cpu_stats=lambda: SimpleNamespace(ctx_switches=dial() * 500, interrupts=dial() * 200),
        cpu_frequency=lambda: SimpleNamespace(current=2400.0),
        load_average=lambda: (1.5, 1.0, 0.5),
        virtual_memory=lambda: SimpleNamespace(
            total=1000, available=250, used=600, free=100, cached=200, buffers=100
        ),
        swap_memory=lambda: SimpleNamespace(total=400, used=100),
        process_ids=lambda: [1, 2, 3],
        boot_time=lambda: 1_000.0,
        users=lambda: ["ann", "bob"],
        kernel_clock=lambda: KernelClock(
            is_synchronized=True, offset_seconds=-0.002, max_error_seconds=0.03
        ),
        monotonic=dial,
        wall=lambda: 1_500.0,
    )


@pytest.fixture
def proc(tmp_path):
    files = {
        "pressure/cpu": "some avg10=12.50 avg60=0.05 avg300=0.24 total=4745864\n"
        "full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n",
        "pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "pressure/io": "some avg10=3.00 avg60=0.00 avg300=0.00 total=0\n",
        "vmstat": "nr_free_pages 5\npswpin 1000\npswpout 40\noom_kill 0\n",
        "sys/fs/file-nr": "411\t11\t4000\n",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def test_the_figures_are_those_of_the_system_in_base_units(readers, proc, collect):
    values = collect(HostCollector(readers, proc))[""].values
    assert values["system.cpu.load_average.1m"] == 1.5
    assert values["system.cpu.frequency"] == 2.4e9
    assert values["system.memory.utilization"] == 0.75
    assert values["system.memory.usage{state=cached}"] == 200
    assert values["system.paging.usage"] == 100
    assert values["system.paging.utilization"] == 0.25
    assert values["system.process.count"] == 3
    assert values["system.users.count"] == 2
    assert values["system.uptime"] == 500


def test_kernel_files_are_read_below_the_given_root(readers, proc, collect):
    values = collect(HostCollector(readers, proc))[""].values
    assert values["system.cpu.pressure"] == pytest.approx(0.125)
    assert values["system.memory.pressure"] == 0
    assert values["system.io.pressure"] == pytest.approx(0.03)
    assert values["system.file_descriptors.utilization"] == pytest.approx(0.1)


def test_shares_and_rates_need_two_passes(readers, proc, collect, dial):
    collector = HostCollector(readers, proc)
    first = collect(collector)[""]
    assert first.absent["system.cpu.utilization"] == "I"
    assert first.absent["system.cpu.context_switches.rate"] == "I"
    assert first.absent["system.paging.operations.rate{direction=in}"] == "I"
    dial.seconds += 10
    (proc / "vmstat").write_text("pswpin 1500\npswpout 40\noom_kill 5\n")
    second = collect(collector)[""]
    assert not second.absent
    assert second.values["system.cpu.utilization"] == pytest.approx(0.3)
    assert second.values["system.cpu.utilization{state=user}"] == pytest.approx(0.2)
    assert second.values["system.cpu.context_switches.rate"] == pytest.approx(500)
    assert second.values["system.cpu.interrupts.rate"] == pytest.approx(200)
    assert second.values["system.paging.operations.rate{direction=in}"] == pytest.approx(50)
    assert second.values["system.paging.operations.rate{direction=out}"] == 0
    assert second.values["system.oom_kills.rate"] == pytest.approx(0.5)
    assert second.values["system.oom_kills"] == 5
    assert second.values["system.cpu.steal"] == pytest.approx(0.05)


def test_a_counter_reset_gives_no_rate(readers, proc, collect, dial):
    collector = HostCollector(readers, proc)
    collect(collector)
    dial.seconds += 10
    (proc / "vmstat").write_text("pswpin 3\npswpout 50\noom_kill 0\n")
    frame = collect(collector)[""]
    assert frame.absent == {"system.paging.operations.rate{direction=in}": "I"}
    assert frame.values["system.paging.operations.rate{direction=out}"] == 1


def test_without_kernel_files_the_values_are_unsupported_never_zero(readers, tmp_path, collect):
    absent = collect(HostCollector(readers, tmp_path))[""].absent
    assert absent["system.cpu.pressure"] == "U"
    assert absent["system.file_descriptors.utilization"] == "U"
    assert absent["system.paging.operations.rate{direction=in}"] == "U"
    assert absent["system.oom_kills.rate"] == "U"


def test_what_the_system_refuses_is_unsupported(readers, proc, collect):
    poor = replace(
        readers, users=refuse, cpu_frequency=refuse, load_average=refuse, swap_memory=refuse
    )
    absent = collect(HostCollector(poor, proc))[""].absent
    assert absent["system.users.count"] == "U"
    assert absent["system.cpu.frequency"] == "U"
    assert absent["system.cpu.load_average.5m"] == "U"
    assert absent["system.paging.usage"] == "U"


def test_a_share_of_no_swap_does_not_apply(readers, proc, collect):
    bare = replace(readers, swap_memory=lambda: SimpleNamespace(total=0, used=0))
    frame = collect(HostCollector(bare, proc))[""]
    assert frame.absent["system.paging.utilization"] == "N"
    assert frame.values["system.paging.usage"] == 0


def test_every_metric_of_the_host_group_is_there(readers, proc, collect, catalogue):
    frame = collect(HostCollector(readers, proc))[""]
    measured = {key.partition("{")[0] for key in [*frame.values, *frame.absent]}
    wanted = {name for name, metric in catalogue.items() if "host" in metric["emitted_by"]}
    assert measured == wanted


def test_the_real_host_is_read(collect):
    values = collect(HostCollector())[""].values
    assert 0 < values["system.memory.utilization"] < 1
    assert values["system.uptime"] > 0
    assert values["system.process.count"] >= 1
