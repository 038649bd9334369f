import io
import json
import threading
import time

import pytest
from rich.console import Console

from agent.tests.host_readings import AT, make_reading
from streamswarm_agent.cli import stats
from streamswarm_agent.cli.figures import draw_bar, draw_sparks, format_age, list_tables
from streamswarm_agent.cli.main import build_parser, main
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.cli.readings import HostReader, read_twice
from streamswarm_agent.collectors.base import CollectedFrame, Collection


class Counting:
    """A collector whose every pass finds the number of that pass."""

    name = "host"

    def __init__(self):
        self.passes = 0

    def collect(self):
        self.passes += 1
        values = {"system.process.count": float(self.passes)}
        return Collection(frames=(CollectedFrame("host", "", values),))


def render(*tables, width=80):
    console = Console(record=True, width=width, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.export_text()


def test_a_reading_is_taken_twice_a_second_apart():
    collector, slept = Counting(), []
    reader = HostReader(collectors={"host": collector}, wall=lambda: AT)
    reading = read_twice(reader, slept.append)
    assert slept == [1.0]
    assert reading.find("host").values == {"system.process.count": 2.0}
    assert reading.at == AT
    assert reading.find("disk", "sda").values == {}


def test_figures_come_with_units_and_words_for_what_is_missing():
    shown = render(*list_tables(make_reading()))
    for figure in ("25 %", "42 %", "8 GB", "0.50", "1 d 2 h", "97 %", "500 GB", "1.5 MB/s"):
        assert figure in shown
    assert "12.3 Mbit/s" in shown
    assert "54.0 °C" in shown
    assert "30.0 °C" in shown
    assert "not applicable" in shown
    assert "unsupported here" in shown


def test_a_kind_of_source_that_the_host_has_not_is_left_out():
    reading = make_reading()
    bare = type(reading)(AT, reading.frames[:2])
    shown = render(*list_tables(bare))
    assert "Cores" in shown
    assert "Sensors" not in shown
    assert "Disks" not in shown


def test_a_name_cannot_steer_the_terminal():
    reading = make_reading()
    hostile = CollectedFrame("filesystem", "/mnt/\x1b[2J\x07[red]x[/]", {})
    shown = render(*list_tables(type(reading)(AT, (*reading.frames, hostile))))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]x[/]" in shown


def test_stats_are_one_json_object_for_programs(capsys):
    stats.print_reading(make_reading(), is_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["at"] == "2026-01-31T12:00:00.000000Z"
    host = document["sources"][0]
    assert (host["kind"], host["subject"]) == ("host", "")
    assert host["values"]["system.cpu.utilization"] == 0.25
    assert host["absent"]["system.paging.utilization"] == "N"


def test_the_command_reads_the_real_host(monkeypatch, capsys):
    monkeypatch.setattr("streamswarm_agent.cli.readings.time.sleep", lambda _seconds: None)
    assert main(["stats", "--json"]) == 0
    kinds = {source["kind"] for source in json.loads(capsys.readouterr().out)["sources"]}
    assert {"host", "cpu", "interface", "hardware"} <= kinds
    assert main(["stats"]) == 0
    assert "Cores" in capsys.readouterr().out


def test_it_goes_on_until_it_is_interrupted(monkeypatch, capsys):
    slept, here, really_sleep = [], threading.current_thread(), time.sleep

    def sleep(seconds):
        if threading.current_thread() is not here or seconds < 1:
            # A thread of another test, or a wait for a program that a collector runs.
            really_sleep(seconds)
            return
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    assert main(["stats", "--json", "--watch", "5"]) == 130
    assert slept[1:] == [5.0, 5.0]
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_wrong_interval_is_misuse(seconds, capsys):
    with pytest.raises(SystemExit) as left:
        build_parser().parse_args(["stats", "--watch", seconds])
    assert left.value.code == 2
    assert "--watch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("share", "bar", "style"),
    [
        (0.0, "    ", "green"),
        (0.5, "██  ", "green"),
        (0.03, "▏   ", "green"),
        (0.85, "███▍", "yellow"),
        (1.0, "████", "red"),
        (7.0, "████", "red"),
        (-1.0, "    ", "green"),
        (None, "····", "dim"),
    ],
)
def test_a_bar_is_as_long_as_its_share(share, bar, style):
    drawn = draw_bar(share, 4)
    assert (drawn.plain, drawn.style) == (bar, style)


def test_sparks_reach_up_to_the_largest_value():
    assert draw_sparks([0, 1, 2, 7]).plain == "▁▂▃█"
    assert draw_sparks([0, 0]).plain == "▁▁"
    assert draw_sparks([]).plain == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (93_780, "1 d 2 h"),
        (-5, "0 s"),
    ],
)
def test_ages_are_told_in_two_units(seconds, text):
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("hw.temperature{sensor=x}", 41.85, "41.9 °C"),
        ("system.cpu.pressure", 0.125, "12.5 %"),
        ("hw.battery.charge", 0.4, "40 %"),
        ("hw.fan.speed{sensor=x}", 2400, "2400 rpm"),
    ],
)
def test_quantities_have_the_units_of_the_catalogue(key, value, text):
    assert format_quantity(key, value) == text
