"""Every row of the catalogue says all that pages, documents and agents need."""

from collections import Counter

import pytest
from jsonschema import Draft202012Validator

from streamswarm_agent.collectors import OWN_COLLECTORS
from streamswarm_agent.probes import OWN_PROBES
from tests.contract.wire_contract import read_wire_file

GROUPS = (
    "Latency and loss",
    "Jitter and delay variation",
    "Reordering and duplication",
    "Bandwidth and capacity",
    "Path",
    "TCP internals",
    "Quality of service",
    "DNS and NTP",
    "HTTP",
    "TLS and certificates",
    "Wi-Fi",
    "Interface and kernel network",
    "Host",
    "Hardware",
    "Agent",
)
ROWS = read_wire_file("metrics.json")["metrics"]
RULES = Draft202012Validator(read_wire_file("plugin.json")["properties"]["metrics"]["items"])
EMITTERS = {"server", "agent", *OWN_COLLECTORS, *OWN_PROBES}


def test_the_catalogue_has_its_fifteen_groups_one_after_the_other():
    assert list(Counter(row["group"] for row in ROWS)) == list(GROUPS)
    places = [GROUPS.index(row["group"]) for row in ROWS]
    assert places == sorted(places)


def test_no_metric_is_there_twice():
    assert [name for name, count in Counter(row["name"] for row in ROWS).items() if count > 1] == []


def test_no_two_metrics_have_the_same_description():
    counts = Counter((row["group"], row["description"]) for row in ROWS)
    assert [pair for pair, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_row_keeps_the_rules_that_plugins_are_held_to(row):
    assert [error.message for error in RULES.iter_errors(row)] == []
    assert row["description"].endswith(".")
    assert row["attributes"] == sorted(row["attributes"])
    assert (row["unit"] == "string") == (row["kind"] == "text")
    assert set(row["emitted_by"]) <= EMITTERS
