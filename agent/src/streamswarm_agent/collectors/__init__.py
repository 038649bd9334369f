"""What the agent measures of its own host."""

from collections.abc import Callable, Mapping

from streamswarm_agent.collectors.base import Collector
from streamswarm_agent.collectors.cpu import CpuCollector
from streamswarm_agent.collectors.disk import DiskCollector
from streamswarm_agent.collectors.filesystem import FilesystemCollector
from streamswarm_agent.collectors.host import HostCollector
from streamswarm_agent.collectors.interface import InterfaceCollector

COLLECTORS: Mapping[str, Callable[[], Collector]] = {
    "host": HostCollector,
    "cpu": CpuCollector,
    "filesystem": FilesystemCollector,
    "disk": DiskCollector,
    "interface": InterfaceCollector,
}


def build_collectors() -> dict[str, Collector]:
    """One collector of each family, to be kept: rates are taken against its previous pass."""
    return {name: collector() for name, collector in COLLECTORS.items()}
