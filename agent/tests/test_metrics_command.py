import json

from streamswarm_agent.cli.main import main
from streamswarm_agent.cli.metrics import list_lines, take_stock
from streamswarm_agent.collectors.base import CollectedFact, CollectedFrame, Collection
from streamswarm_agent.wire.catalogue import Metric, load_metrics


class Warming:
    """A collector that has rates from its second pass on."""

    name = "host"

    def __init__(self):
        self.passes = 0

    def collect(self):
        self.passes += 1
        is_first = self.passes == 1
        frame = CollectedFrame(
            "host",
            "",
            {"system.uptime": 5.0} | ({} if is_first else {"system.rate{direction=in}": 1.0}),
            {"system.steal": "U"} | ({"system.rate{direction=in}": "I"} if is_first else {}),
        )
        return Collection((frame,), (CollectedFact("host", "", "system.words", "yes"),))


def metric(name):
    return Metric(name, "1", "gauge", "Something.", (), group="Host", emitted_by=("host",))


NAMES = ("system.uptime", "system.rate", "system.steal", "system.words", "net.rtt.min")


def test_what_counts_is_the_second_of_two_passes_a_second_apart():
    slept = []
    standings = take_stock([Warming()], map(metric, NAMES), slept.append)
    assert slept == [1.0]
    assert {one.name: one.is_measured for one in standings if one.is_asked} == {
        "system.uptime": True,
        "system.rate": True,
        "system.steal": False,
        "system.words": True,
    }
    lines = list_lines(standings)
    assert "  - system.steal: unsupported here" in lines
    assert lines[-1].startswith("3 measured on this host, 1 missing here; the other 1 of 5 ")


def test_the_command_tells_of_the_whole_catalogue(capsys):
    assert main(["metrics", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(load_metrics())
    by_name = {row["name"]: row for row in rows}
    assert by_name["system.memory.available"]["is_measured"]
    assert by_name["net.rtt.min"]["reasons"] == []
