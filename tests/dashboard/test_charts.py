"""Which charts a client's page has, by what the client last reported."""

import pytest

from apps.core.clock import read_now
from apps.dashboard.charts import describe_client_panels, is_drawn
from apps.dashboard.kind_charts import LABELS, describe_test_panels, keep_measured
from apps.metrics.selectors import LatestValues
from apps.tests.kinds import KINDS

pytestmark = pytest.mark.django_db


def latest(kind, values, subject=""):
    return LatestValues(1, kind, subject, read_now(), values, {})


def titled(panels):
    return {str(panel.title): panel for panel in panels}


def test_temperatures_are_one_chart_with_a_line_for_each_sensor():
    values = {
        "hw.temperature{sensor=coretemp/Core 1}": 41.0,
        "hw.temperature{sensor=coretemp/Core 0}": 40.0,
        "hw.temperature.limit{limit=high,sensor=coretemp/Core 0}": 100.0,
        "hw.fan.speed{sensor=fan1}": 900.0,
    }
    panel = titled(describe_client_panels([latest("hardware", values)]))["Temperatures"]
    assert panel.style == "temperature"
    assert [line.label for line in panel.lines] == ["coretemp/Core 0", "coretemp/Core 1"]


def test_a_host_without_sensors_has_no_empty_chart_of_them():
    assert "Temperatures" not in titled(describe_client_panels([latest("hardware", {})]))


def test_a_plugins_collector_is_drawn_by_its_name():
    values = {"net.rtt.median": 0.1, "net.rtt.max": 0.2, "net.packet.loss.ratio": 0.0}
    panels = [
        panel
        for panel in describe_client_panels([latest("plugin", values, subject="modem")])
        if panel.title == "modem"
    ]
    assert {panel.style: len(panel.lines) for panel in panels} == {"duration": 2, "ratio": 1}


@pytest.mark.parametrize(
    ("kind", "key", "is_expected"),
    [
        ("host", "system.cpu.utilization", True),
        ("host", "system.cpu.user", False),
        ("hardware", "hw.temperature{sensor=a}", True),
        ("hardware", "hw.temperature.limit{limit=high,sensor=a}", False),
        ("plugin", "anything.at.all", True),
    ],
)
def test_a_socket_carries_only_what_a_page_draws(kind, key, is_expected):
    assert is_drawn(kind, key) is is_expected


def test_every_figure_of_every_kind_has_a_short_name():
    shown = {key for kind in KINDS.values() for key in (*kind.headline, *kind.chart)}
    assert shown - LABELS.keys() == set()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_figure_of_a_kind_is_drawn_twice(kind):
    drawn = [
        line.key
        for panel in describe_test_panels(kind)
        for line in (*panel.lines, *(panel.band or ()))
    ]
    assert sorted(drawn) == sorted(kind.chart)


def test_each_traffic_class_has_a_line_of_its_own():
    measured = {
        f"qos.class.{figure}{{dscp={dscp}}}": 0.1
        for figure in ("rtt.median", "loss.ratio")
        for dscp in (0, 46)
    }
    panels = describe_test_panels(KINDS["qos"], measured)
    assert {str(panel.title): [line.label for line in panel.lines] for panel in panels} == {
        "Latency": ["DSCP\N{NO-BREAK SPACE}0", "DSCP\N{NO-BREAK SPACE}46"],
        "Packet loss": ["DSCP\N{NO-BREAK SPACE}0", "DSCP\N{NO-BREAK SPACE}46"],
    }
    assert all(panel.is_scaled and not panel.is_bars for panel in panels[1:])


def test_what_works_is_a_line_and_what_fails_are_bars():
    bars = {
        str(panel.title): panel.is_bars
        for kind in ("host", "ping", "http")
        for panel in describe_test_panels(KINDS[kind])
    }
    assert not bars["Processors in use"]
    assert bars["Packet loss"]
    assert bars["Failed requests"]


def test_a_run_that_is_over_has_no_chart_and_no_line_without_values():
    panels = describe_test_panels(KINDS["http_throughput"])
    kept = keep_measured(panels, {"net.throughput.http.upload"})
    assert [[line.key for line in panel.lines] for panel in kept] == [
        ["net.throughput.http.upload"]
    ]


def test_only_what_is_counted_has_whole_numbers_on_its_axis():
    panels = describe_test_panels(KINDS["trace"])
    assert {str(panel.title): panel.as_document()["is_whole"] for panel in panels} == {
        "Latency": False,
        "Unanswered by the target": False,
        "Hops": True,
    }
