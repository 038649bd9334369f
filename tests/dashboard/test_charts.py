"""Which charts a client's page has, by what the client last reported."""

import pytest

from apps.core.clock import read_now
from apps.dashboard.charts import describe_client_panels, is_drawn
from apps.metrics.selectors import LatestValues

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
