from types import SimpleNamespace

import pytest

from agent.tests.collectors.recorded import nothing_installed
from agent.tests.collectors.trees import BOARD, LAPTOP, VIRTUAL, write_tree
from streamswarm_agent.collectors.hardware import HardwareCollector, HardwareReaders
from streamswarm_agent.collectors.sensors import explain_missing_sensors
from streamswarm_agent.collectors.sysfs import MAX_SENSORS
from streamswarm_agent.wire.keys import parse_key


def no_battery():
    return None


@pytest.fixture
def measure(tmp_path, collect):
    def run(files, read_battery=no_battery):
        root = write_tree(tmp_path, files)
        readers = HardwareReaders(root, root, root, nothing_installed, read_battery)
        return collect(HardwareCollector(readers))[""]

    return run


def test_temperatures_are_degrees_celsius_with_limits_and_margin(measure):
    values = measure(LAPTOP).values
    package = "sensor=coretemp/Package id 0"
    assert values[f"hw.temperature{{{package}}}"] == 54.0
    assert values[f"hw.temperature.limit{{limit=high,{package}}}"] == 84.0
    assert values[f"hw.temperature.limit{{limit=critical,{package}}}"] == 100.0
    assert values[f"hw.temperature.margin{{{package}}}"] == 30.0
    assert values["hw.temperature{sensor=nvme/temp1}"] == pytest.approx(41.85)
    assert "hw.temperature.margin{sensor=nvme/temp1}" not in values
    assert "hw.temperature{sensor=acpitz}" not in values


def test_fans_are_rpm_and_a_share_of_their_highest(measure):
    values = measure(LAPTOP).values
    assert values["hw.fan.speed{sensor=thinkpad/fan1}"] == 2400
    assert values["hw.fan.speed_ratio{sensor=thinkpad/fan1}"] == 0.5


def test_thermal_zones_are_read_where_there_is_nothing_else(measure):
    values = measure(BOARD).values
    assert values["hw.temperature{sensor=cpu-thermal}"] == 61.25
    assert values["hw.temperature{sensor=cpu-thermal 2}"] == 60.0


def test_without_hardware_each_kind_is_unsupported_never_zero(measure, catalogue):
    frame = measure(VIRTUAL)
    assert frame.values == {}
    assert set(frame.absent.values()) == {"U"}
    known = {name for name, row in catalogue.items() if "hardware" in row["emitted_by"]}
    # What goes with another figure: limits with a temperature, time left with a battery.
    derived = {
        "hw.temperature.limit", "hw.temperature.margin", "hw.fan.speed_ratio",
        "hw.battery.time_left",
    }  # fmt: skip
    assert frame.absent.keys() == known - derived


@pytest.mark.parametrize("text", ["", "hot\n", "-300000\n", "99999999\n", "12.5\n"])
def test_what_is_no_temperature_is_unsupported(measure, text):
    frame = measure({**LAPTOP, "class/hwmon/hwmon0/temp1_input": text})
    assert frame.absent["hw.temperature{sensor=coretemp/Package id 0}"] == "U"
    assert "hw.temperature.margin{sensor=coretemp/Package id 0}" not in frame.values


def test_a_limit_of_zero_is_none(measure):
    values = measure({**LAPTOP, "class/hwmon/hwmon0/temp1_max": "0\n"}).values
    assert values["hw.temperature.margin{sensor=coretemp/Package id 0}"] == 46.0


def test_a_name_that_no_key_takes_is_written_so_that_it_does(measure):
    hostile = {
        "class/hwmon/hwmon0/name": "a,b={c}\x1b[31m\n",
        "class/hwmon/hwmon0/temp1_label": "x" * 100,
        "class/hwmon/hwmon0/temp1_input": "20000\n",
    }
    (key,) = measure(hostile).values
    name, attributes = parse_key(key)
    assert name == "hw.temperature"
    assert 1 <= len(attributes["sensor"]) <= 64
    assert "\x1b" not in key


def test_the_number_of_sensors_is_bounded_with_keys_of_one_layout(measure):
    files = {"class/hwmon/hwmon0/name": "many\n"}
    for number in range(200):
        files[f"class/hwmon/hwmon0/temp{number}_input"] = "20000\n"
        files[f"class/hwmon/hwmon0/temp{number}_max"] = "90000\n"
        files[f"class/hwmon/hwmon0/temp{number}_crit"] = "95000\n"
    frame = measure(files)
    temperatures = [key for key in frame.values if key.startswith("hw.temperature{")]
    assert len(temperatures) == MAX_SENSORS
    assert len({*frame.values, *frame.absent}) <= 256


@pytest.mark.parametrize(
    ("left_seconds", "is_plugged", "value", "code"),
    [(3600, False, 3600, None), (-2, True, None, "N"), (-1, False, None, "U")],
)
def test_a_battery_says_how_full_it_is_and_how_long_it_lasts(
    measure, left_seconds, is_plugged, value, code
):
    battery = SimpleNamespace(percent=40, secsleft=left_seconds, power_plugged=is_plugged)
    frame = measure(LAPTOP, lambda: battery)
    assert frame.values["hw.battery.charge"] == 0.4
    assert frame.values.get("hw.battery.time_left") == value
    assert frame.absent.get("hw.battery.time_left") == code


@pytest.mark.parametrize(
    ("files", "platform", "reason"),
    [
        (LAPTOP, "linux", ""),
        (BOARD, "linux", ""),
        (VIRTUAL, "linux", "no sensors: this is a virtual machine (QEMU Standard PC"),
        ({}, "linux", "no sensors: this is a virtual machine or a container"),
        ({"class/dmi/id/product_name": "X11"}, "linux", "no driver"),
        (LAPTOP, "darwin", "only Linux"),
    ],
)
def test_missing_sensors_are_explained_in_words(tmp_path, files, platform, reason):
    explained = explain_missing_sensors(write_tree(tmp_path, files), platform)
    assert reason in explained
    assert bool(explained) == bool(reason)


def test_the_real_host_answers_with_a_value_or_a_reason(collect):
    frame = collect(HardwareCollector())[""]
    names = {key.partition("{")[0] for key in [*frame.values, *frame.absent]}
    assert {"hw.temperature", "hw.fan.speed", "hw.battery.charge"} <= names
