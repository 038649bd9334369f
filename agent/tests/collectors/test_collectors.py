from types import SimpleNamespace

import pytest

from streamswarm_agent.collectors import COLLECTORS, accept_collector, build_collectors
from streamswarm_agent.errors import PluginRefused


def test_each_collector_is_listed_under_its_own_name(collect):
    collectors = build_collectors()
    assert list(collectors) == list(COLLECTORS)
    assert all(collector.name == name for name, collector in collectors.items())
    for collector in collectors.values():
        collect(collector)


@pytest.mark.parametrize(
    ("name", "factory", "reason"),
    [
        ("host", SimpleNamespace(name="host", collect=print), "of its own"),
        ("modem", SimpleNamespace(name="router", collect=print), "must be 'modem'"),
        ("modem", SimpleNamespace(name="modem"), "no method"),
    ],
)
def test_a_plugin_that_is_no_collector_of_its_own_is_refused(name, factory, reason):
    with pytest.raises(PluginRefused, match=reason):
        accept_collector(name, factory)


def test_a_plugins_collector_is_taken_as_it_is():
    factory = SimpleNamespace(name="modem", collect=print)
    assert accept_collector("modem", factory) is factory
