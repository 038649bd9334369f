"""What the agent measures of its own host."""

import os
from collections.abc import Callable, Mapping

from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.collectors.connections import ConnectionsCollector
from streamswarm_agent.collectors.cpu import CpuCollector
from streamswarm_agent.collectors.disk import DiskCollector
from streamswarm_agent.collectors.filesystem import FilesystemCollector
from streamswarm_agent.collectors.hardware import HardwareCollector
from streamswarm_agent.collectors.host import HostCollector
from streamswarm_agent.collectors.interface import InterfaceCollector
from streamswarm_agent.collectors.processes import ProcessesCollector

COLLECTORS: Mapping[str, Callable[[], Collector]] = {
    "host": HostCollector,
    "cpu": CpuCollector,
    "filesystem": FilesystemCollector,
    "disk": DiskCollector,
    "interface": InterfaceCollector,
    "hardware": HardwareCollector,
    "processes": ProcessesCollector,
    "connections": ConnectionsCollector,
}
DEFAULT_INTERVALS_SECONDS: Mapping[str, float] = {"processes": 60.0, "connections": 60.0}
"""Of the collectors that cost more than a few files; the others run every 10 s."""

ARGUMENTS_VARIABLE = "SWARM_AGENT_PROCESS_ARGUMENTS"
AFFIRMATIVE = frozenset({"1", "yes", "true", "on"})


def build_collectors(environment: Mapping[str, str] = os.environ) -> dict[str, Collector]:
    """One collector of each family, to be kept: rates are taken against its previous pass.

    Command lines of processes are collected whole only when the environment says so.
    """
    collectors = {name: collector() for name, collector in COLLECTORS.items()}
    if environment.get(ARGUMENTS_VARIABLE, "").lower() in AFFIRMATIVE:
        collectors["processes"] = ProcessesCollector(shows_arguments=True)
    return collectors
