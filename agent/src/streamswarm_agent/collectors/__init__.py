"""What the agent measures of its own host."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.collectors.connections import ConnectionsCollector
from streamswarm_agent.collectors.cpu import CpuCollector
from streamswarm_agent.collectors.disk import DiskCollector
from streamswarm_agent.collectors.filesystem import FilesystemCollector
from streamswarm_agent.collectors.hardware import HardwareCollector
from streamswarm_agent.collectors.host import HostCollector
from streamswarm_agent.collectors.interface import InterfaceCollector
from streamswarm_agent.collectors.network import NetworkCollector
from streamswarm_agent.collectors.processes import ProcessesCollector
from streamswarm_agent.collectors.wifi import WifiCollector
from streamswarm_agent.errors import PluginRefused
from streamswarm_agent.wire.plugins import COLLECTORS as ADDED_COLLECTORS
from streamswarm_agent.wire.plugins import load_plugins

OWN_COLLECTORS: Mapping[str, Callable[[], Collector]] = {
    "host": HostCollector,
    "cpu": CpuCollector,
    "filesystem": FilesystemCollector,
    "disk": DiskCollector,
    "interface": InterfaceCollector,
    "network": NetworkCollector,
    "wifi": WifiCollector,
    "hardware": HardwareCollector,
    "processes": ProcessesCollector,
    "connections": ConnectionsCollector,
}
DEFAULT_INTERVALS_SECONDS: Mapping[str, float] = {"processes": 60.0, "connections": 60.0}
"""Of the collectors that cost more than a few files; the others run every 10 s."""

ARGUMENTS_VARIABLE = "SWARM_AGENT_PROCESS_ARGUMENTS"
AFFIRMATIVE = frozenset({"1", "yes", "true", "on"})


def accept_collector(name: str, factory: Any) -> Callable[[], Collector]:
    """The collector of a plug-in.

    Raises: PluginRefused when it takes a name of ours or is no collector.
    """
    if name in OWN_COLLECTORS or name == "agent":
        raise PluginRefused(f"the agent has a collector {name!r} of its own")
    if getattr(factory, "name", None) != name:
        raise PluginRefused(f"its `name` must be {name!r}")
    if not callable(getattr(factory, "collect", None)):
        raise PluginRefused("it has no method `collect(self)`")
    return factory  # type: ignore[no-any-return]  # what was checked is all that can be known


PLUGINS = load_plugins(ADDED_COLLECTORS, accept_collector)
COLLECTORS: Mapping[str, Callable[[], Collector]] = {
    **OWN_COLLECTORS,
    **{one.name: one.value for one in PLUGINS if one.value is not None},
}


def build_collectors(environment: Mapping[str, str] = os.environ) -> dict[str, Collector]:
    """One collector of each family, to be kept: rates are taken against its previous pass.

    Command lines of processes are collected whole only when the environment says so.
    """
    collectors = {name: collector() for name, collector in COLLECTORS.items()}
    if environment.get(ARGUMENTS_VARIABLE, "").lower() in AFFIRMATIVE:
        collectors["processes"] = ProcessesCollector(shows_arguments=True)
    return collectors
