"""Energy, power, faults and disks of a recorded server: exact values, exact reasons."""

import os
from types import SimpleNamespace

import pytest

from agent.tests.collectors.recorded import (
    Programs,
    answer_of,
    nothing_installed,
    read_fixture,
)
from agent.tests.collectors.trees import SERVER, write_tree
from streamswarm_agent.collectors.commands import Answer
from streamswarm_agent.collectors.hardware import HardwareCollector, HardwareReaders

DISK = "hw.physical_disk"
ATA_NAMES = {"reallocated_sectors": 8, "pending_sectors": 2, "uncorrectable": 1, "crc_errors": 14}
NVME_NAMES = {
    "endurance_utilization": 1.04,
    "spare": 0.93,
    "media_errors": 3,
    "unsafe_shutdowns": 37,
    "data_written": 32e12,
}
FILES = {
    **SERVER,
    "interrupts": read_fixture("interrupts"),
    "mdstat": read_fixture("mdstat"),
    "ipmi0": "",
}


def smartctl(arguments, **replaced):
    if "--scan" in arguments:
        return answer_of("smartctl/scan.json")
    assert "--nocheck" in arguments
    disk = arguments[-1].removeprefix("/dev/")
    names = {"sda": "ata", "nvme0": "nvme"}
    return replaced.get(disk) or answer_of(f"smartctl/{names[disk]}.json", is_good=False)


@pytest.fixture
def build(tmp_path, dial):
    def make(files=FILES, run=None):
        root = write_tree(tmp_path, files)
        programs = run or Programs(smartctl=smartctl, ipmitool=answer_of("ipmitool"))
        readers = HardwareReaders(root, root, root, programs, lambda: None, dial)
        return HardwareCollector(readers)

    return make


@pytest.fixture
def frame(build, collect):
    return collect(build())[""]


def test_volts_amperes_and_watts_are_in_base_units(frame):
    assert {
        key: value
        for key, value in frame.values.items()
        if key.startswith(("hw.voltage", "hw.current", "hw.power", "hw.fan"))
    } == {
        "hw.voltage{sensor=nct6775/Vcore}": 0.856,
        "hw.voltage{sensor=nct6775/in1}": -12.1,
        "hw.current{sensor=ina226/curr1}": 1.5,
        "hw.power{sensor=ina226/power1}": 18.25,
        "hw.power{sensor=amdgpu/PPT}": 35.046,
        "hw.fan.speed{sensor=nct6775/fan2}": 1020,
        "hw.fan.speed_ratio{sensor=nct6775/fan2}": 0.4,
    }


def test_energy_is_joules_and_goes_on_across_the_wrap(build, collect, tmp_path):
    collector = build()
    package, core = "hw.energy{domain=package-0}", "hw.energy{domain=package-0/core}"
    before = collect(collector)[""].values
    assert (before[package], before[core]) == (262_000.0, 1.25)
    write_tree(tmp_path, {"class/powercap/intel-rapl:0/energy_uj": "856671150\n"})
    after = collect(collector)[""].values
    assert after[package] == pytest.approx(262_000 + 143.32885 + 856.67115)
    assert after[core] == 1.25


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_energy_that_root_alone_may_read_says_so_to_others(build, collect, tmp_path):
    collector = build()
    (tmp_path / "class/powercap/intel-rapl:0/energy_uj").chmod(0)
    assert collect(collector)[""].absent["hw.energy{domain=package-0}"] == "P"


def test_a_refused_energy_counter_is_a_matter_of_rights(build, collect, monkeypatch):
    from streamswarm_agent.collectors import power

    monkeypatch.setattr(power, "measure_file", lambda *_: "P")
    assert collect(build())[""].absent["hw.energy{domain=package-0}"] == "P"


def test_power_supplies_are_facts_and_an_unknown_state_is_none(build):
    facts = {fact.key: fact.value for fact in build().collect().facts}
    assert facts == {
        "hw.power_supply.status{supply=ADP1}": "offline",
        "hw.power_supply.status{supply=BAT0}": "discharging",
    }


def test_the_machines_power_comes_from_its_controller(frame):
    assert frame.values["hw.host.power"] == 214


def test_an_acpi_power_meter_spares_the_controller(build, collect):
    meter = {
        "class/hwmon/hwmon9/name": "power_meter\n",
        "class/hwmon/hwmon9/power1_average": "180000000\n",
    }
    programs = Programs()
    assert collect(build({**FILES, **meter}, programs))[""].values["hw.host.power"] == 180
    assert not any(call.startswith("ipmitool") for call in programs.calls)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "U"),
        (Answer("", is_good=False, complaint="Could not open device: Permission denied"), "P"),
        (Answer("", is_good=False, complaint="DCMI request failed: Invalid command"), "U"),
    ],
)
def test_a_controller_that_gives_no_power_gives_the_reason(build, collect, answer, code):
    frame = collect(build(run=Programs(ipmitool=answer)))[""]
    assert frame.absent["hw.host.power"] == code


def test_threads_of_a_core_and_cores_of_a_package_are_counted_once(frame):
    assert frame.values["hw.cpu.throttle.count{scope=core}"] == 3 + 4
    assert frame.values["hw.cpu.throttle.count{scope=package}"] == 9


def test_memory_errors_are_told_by_controller_and_module(frame):
    values = {key: value for key, value in frame.values.items() if key.startswith("hw.memory")}
    module = "dimm=mc0/CPU_SrcID#0_Ha#0_Chan#0_DIMM#0"
    assert values == {
        "hw.memory.errors.correctable{controller=mc0}": 12,
        "hw.memory.errors.uncorrectable{controller=mc0}": 1,
        "hw.memory.errors.correctable{controller=mc1}": 0,
        "hw.memory.errors.uncorrectable{controller=mc1}": 0,
        f"hw.memory.dimm.errors{{{module},severity=correctable}}": 12,
        f"hw.memory.dimm.errors{{{module},severity=uncorrectable}}": 1,
    }


def test_errors_of_the_bus_are_totals_of_devices_that_report_them(frame):
    values = {key: value for key, value in frame.values.items() if key.startswith("hw.pcie")}
    assert values == {
        "hw.pcie.aer.errors{device=0000:00:1c.0,severity=correctable}": 6,
        "hw.pcie.aer.errors{device=0000:00:1c.0,severity=nonfatal}": 2,
        "hw.pcie.aer.errors{device=0000:00:1c.0,severity=fatal}": 0,
    }


def test_machine_checks_are_summed_over_processors(frame):
    assert frame.values["hw.machine_check.count"] == 3


def test_arrays_say_whether_a_disk_is_missing_and_how_far_a_rebuild_is(frame):
    values = {key: value for key, value in frame.values.items() if key.startswith("hw.raid")}
    assert values == {
        "hw.raid.degraded{array=md2}": 1,
        "hw.raid.sync_ratio{array=md2}": pytest.approx(0.126),
        "hw.raid.degraded{array=md1}": 0,
        "hw.raid.sync_ratio{array=md1}": 1,
        "hw.raid.degraded{array=md0}": 0,
        "hw.raid.sync_ratio{array=md0}": 0,
        "hw.raid.degraded{array=md127}": 1,
        "hw.raid.sync_ratio{array=md127}": 1,
    }


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("interrupts", {"hw.machine_check.count"}),
        ("mdstat", {"hw.raid.degraded", "hw.raid.sync_ratio"}),
        ("ipmi0", {"hw.host.power"}),
        ("class/hwmon/hwmon1/curr1_input", {"hw.current"}),
        ("bus/pci/devices/0000:00:1c.0/aer_dev_fatal", {"hw.pcie.aer.errors"}),
        (
            "devices/system/edac/mc/mc1/ue_count",
            {"hw.memory.errors.uncorrectable{controller=mc1}"},
        ),
        (
            "bus/pci/devices/0000:00:1c.0/aer_dev_nonfatal",
            {"hw.pcie.aer.errors{device=0000:00:1c.0,severity=nonfatal}"},
        ),
    ],
)
def test_a_missing_file_leaves_out_its_figure_with_the_reason(
    build, collect, tmp_path, path, missing
):
    before = collect(build())[""].absent
    (tmp_path / path).unlink()
    collector = HardwareCollector(build({})._readers)
    absent = collect(collector)[""].absent
    assert {key: absent[key] for key in absent.keys() - before.keys()} == dict.fromkeys(
        missing, "U"
    )


def disk_figures(frame, disk):
    mark = f"{{disk={disk}}}"
    found = {**frame.values, **frame.absent}
    return {
        key.removeprefix(f"{DISK}.").removesuffix(mark): value
        for key, value in found.items()
        if key.startswith(DISK) and key.endswith(mark)
    }


def test_an_ata_disks_health_is_that_of_its_attributes(frame):
    assert disk_figures(frame, "sda") == {
        "smart.passed": 1,
        "power_on_time": 40_123 * 3600,
        **ATA_NAMES,
        **dict.fromkeys(NVME_NAMES, "N"),
        "temperature": 31,
    }


def test_an_nvme_disks_health_is_that_of_its_log(frame):
    assert disk_figures(frame, "nvme0") == {
        "smart.passed": 0,
        "power_on_time": 8760 * 3600,
        **NVME_NAMES,
        **dict.fromkeys(ATA_NAMES, "N"),
        "temperature": pytest.approx(38.85),
    }


def test_a_scsi_disk_says_less(build, collect):
    def run(arguments):
        return smartctl(arguments, sda=answer_of("smartctl/scsi.json"))

    figures = disk_figures(collect(build({}, Programs(smartctl=run)))[""], "sda")
    assert figures["power_on_time"] == 31_000 * 3600 + 30 * 60
    assert figures["temperature"] == 29
    assert figures["reallocated_sectors"] == "U"


@pytest.mark.parametrize(("report", "code"), [("refused", "P"), ("standby", "N"), ("unknown", "U")])
def test_a_disk_that_gives_nothing_gives_the_reason(build, collect, report, code):
    def run(arguments):
        return smartctl(arguments, sda=answer_of(f"smartctl/{report}.json", is_good=False))

    figures = disk_figures(collect(build({}, Programs(smartctl=run)))[""], "sda")
    assert set(figures.values()) == {code}
    assert len(figures) == 12


@pytest.mark.parametrize("run", [nothing_installed, Programs(smartctl=Answer("no JSON"))])
def test_without_the_program_disks_have_only_the_kernels_temperatures(build, collect, run):
    frame = collect(build(run=run))[""]
    assert frame.absent[f"{DISK}.smart.passed"] == "U"
    assert frame.values[f"{DISK}.temperature{{disk=sda}}"] == 31
    assert frame.values[f"{DISK}.temperature{{disk=nvme0}}"] == pytest.approx(38.85)


def test_disks_and_controller_are_asked_at_their_own_pace(build, collect, dial):
    programs = Programs(smartctl=smartctl, ipmitool=answer_of("ipmitool"))
    collector = build(run=programs)
    for _ in range(31):
        collect(collector)
        dial.seconds += 10
    assert sum("--scan" in call for call in programs.calls) == 2
    assert sum(call.startswith("ipmitool") for call in programs.calls) == 6


@pytest.mark.parametrize(("plugged", "left"), [(True, None), (False, 5400)])
def test_every_figure_of_the_group_can_be_had(tmp_path, build, collect, catalogue, plugged, left):
    limits = {"class/hwmon/hwmon0/temp1_input": "40000\n", "class/hwmon/hwmon0/temp1_max": "9000\n"}
    root = write_tree(tmp_path, {**FILES, **limits})
    battery = SimpleNamespace(percent=50, secsleft=5400, power_plugged=plugged)
    programs = Programs(smartctl=smartctl, ipmitool=answer_of("ipmitool"))
    readers = HardwareReaders(root, root, root, programs, lambda: battery)
    collection = HardwareCollector(readers).collect()
    (frame,) = collection.frames
    named = {key.partition("{")[0] for key in (*frame.values, *(f.key for f in collection.facts))}
    wanted = {name for name, row in catalogue.items() if "hardware" in row["emitted_by"]}
    assert wanted - named == (set() if left else {"hw.battery.time_left"})
