"""Other packages' additions: taken when they keep the rules, named and left out when not."""

import copy
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from apps.core import plugins
from apps.core.plugins import PluginRefusedError, list_plugins, load_plugins
from apps.metrics.contracts import accept_contract
from apps.tests.kinds import KINDS

CONTRACT = {
    "metrics": [
        {
            "name": "demo.value",
            "unit": "s",
            "group": "Demo",
            "kind": "gauge",
            "better": "lower",
            "description": "A demonstration.",
            "source": "demo",
            "absent": ["T"],
            "attributes": [],
        }
    ],
    "kind": {
        "title": "Demo",
        "description": "A demonstration.",
        "x-target": "host",
        "x-target-label": "Host",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    },
    "headline": ["demo.value"],
    "chart": ["demo.value", "net.rtt.median"],
}


@pytest.fixture
def installed(monkeypatch):
    """Lets a test say which entry points there are."""
    monkeypatch.setattr(plugins, "_found", {})

    def install(*points):
        monkeypatch.setattr(
            plugins,
            "entry_points",
            lambda *, group: [EntryPoint(name, value, group) for name, value in points],
        )

    return install


def contract(**changes):
    document = copy.deepcopy(CONTRACT)
    document.update(changes)
    return document


def test_a_plugin_that_cannot_be_imported_leaves_only_itself_out(installed):
    installed(("good", "math:pi"), ("gone", "no_such_module:thing"), ("odd", "math:nothing"))
    assert load_plugins("a.group", lambda _name, value: value) == {"good": pytest.approx(3.14159)}
    faults = {plugin.name: plugin.fault for plugin in list_plugins()}
    assert faults["good"] == ""
    assert "no_such_module" in faults["gone"]
    assert "nothing" in faults["odd"]


def test_a_plugin_that_breaks_a_rule_is_left_out_with_the_rule(installed):
    def refuse(_name, _value):
        raise PluginRefusedError("too loud")

    installed(("loud", "math:pi"))
    assert load_plugins("a.group", refuse) == {}
    assert [plugin.fault for plugin in list_plugins()] == ["too loud"]


def test_of_two_plugins_with_one_name_the_second_is_left_out(installed):
    installed(("twin", "math:pi"), ("twin", "math:e"))
    assert load_plugins("a.group", lambda _name, value: value) == {"twin": pytest.approx(3.14159)}


def test_a_contract_that_keeps_the_rules_is_taken():
    accepted = accept_contract("demo", contract())
    assert accepted.metrics[0]["name"] == "demo.value"
    assert accepted.chart == ("demo.value", "net.rtt.median")


@pytest.mark.parametrize(
    ("name", "document", "reason"),
    [
        ("demo", {}, "metrics"),
        ("demo", contract(metrics=[{**CONTRACT["metrics"][0], "unit": ""}]), "metrics.0.unit"),
        ("demo", contract(metrics=[{**CONTRACT["metrics"][0], "name": "Bad"}]), "metrics.0.name"),
        (
            "demo",
            contract(metrics=[{**CONTRACT["metrics"][0], "name": "net.rtt.median"}]),
            "net.rtt.median is in the catalogue already",
        ),
        ("ping", contract(), "a kind of test called 'ping' already"),
        ("demo", contract(headline=["demo.other"]), "demo.other is no metric"),
        ("demo", contract(surprise=1), "surprise"),
        ("demo", contract(kind={**CONTRACT["kind"], "x-target": "planet"}), "x-target"),
    ],
)
def test_a_contract_that_breaks_a_rule_is_refused_by_its_name(name, document, reason):
    with pytest.raises(PluginRefusedError, match=reason):
        accept_contract(name, document)


def test_a_kind_whose_plugin_is_gone_has_a_stand_in_for_its_pages_only():
    assert KINDS["vanished"].title == "vanished (plug-in not installed)"
    assert KINDS["vanished"].headline == ()
    assert KINDS.get("vanished") is None
    assert "vanished" not in KINDS


def test_the_agent_keeps_the_same_rules():
    program = (
        "import json, sys\n"
        "from streamswarm_agent.errors import PluginRefused\n"
        "from streamswarm_agent.wire.plugins import accept_contract\n"
        "for name, document in json.load(sys.stdin):\n"
        "    try:\n"
        "        accept_contract(name, document)\n"
        "        print('taken')\n"
        "    except PluginRefused as error:\n"
        "        print(error)\n"
    )
    import json

    cases = [("demo", contract()), ("demo", {}), ("ping", contract())]
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    taken, no_metrics, ours = run.stdout.splitlines()
    assert taken == "taken"
    assert "metrics" in no_metrics
    assert "'ping' already" in ours
