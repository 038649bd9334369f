"""Every setting there is, in one table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from streamswarm_agent.collectors import ARGUMENTS_VARIABLE, COLLECTORS, DEFAULT_INTERVALS_SECONDS
from streamswarm_agent.runtime.configuration.kinds import (
    Address,
    Choice,
    IpAddress,
    Kind,
    Networks,
    Number,
    Switch,
    Text,
    Value,
)
from streamswarm_agent.spool.spool import SpoolLimits
from streamswarm_agent.wire.messages import CollectorSettings, Config

BYTES_PER_MEGABYTE = 1_000_000
LONGEST_INTERVAL_SECONDS = 86_400


class Origin(StrEnum):
    """Who says a value, the strongest first where the rule is `FIRST`."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    FILE = "file"
    ENROLMENT = "enrolment"
    SERVER = "server"
    BUILT_IN = "built-in"


class Rule(StrEnum):
    """Whose word counts when several say something."""

    FIRST = "the host's owner"
    OFF_STAYS_OFF = "off on the host or on the server is off"
    SLOWER = "the longer of the host's and the server's"
    UNION = "the host's and the server's together"
    SERVER = "the server alone"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: what a setting is called, what it takes, and who may say it.

    `variable` is the environment's name for it; one without is the server's alone. `is_live`: a
    changed value holds from a SIGHUP on; the others wait for a restart.
    """

    name: str
    kind: Kind
    meaning: str
    built_in: Value = None
    unit: str = ""
    variable: str = ""
    rule: Rule = Rule.FIRST
    is_live: bool = False
    is_secret: bool = False


_DEFAULT = Config()
_WEB = ("http", "https")

OWN_SETTINGS = (
    Setting("server.url", Address(_WEB), "where the server is", variable="SWARM_AGENT_SERVER"),
    Setting("server.ca_file", Text("a file"), "certificates to trust instead of the system's",
            variable="SWARM_AGENT_CA_FILE"),
    Setting("server.proxy", Address(_WEB), "HTTP proxy on the way to the server; no test uses it",
            variable="SWARM_AGENT_PROXY", is_secret=True),
    Setting("state.folder", Text("a folder"), "identity, orders and spool",
            variable="SWARM_AGENT_STATE_DIR"),
    Setting("state.spool_megabytes", Number(1, 100_000), "most that may wait on disk",
            SpoolLimits().bytes / BYTES_PER_MEGABYTE, "MB", "SWARM_AGENT_SPOOL_MEGABYTES"),
    Setting("log.level", Choice(("debug", "info", "warning", "error")), "least that is logged",
            "info", variable="SWARM_AGENT_LOG_LEVEL", is_live=True),
    Setting("log.file", Text("a file"), "log file instead of standard error",
            variable="SWARM_AGENT_LOG_FILE"),
    Setting("log.file_megabytes", Number(0.01, 10_000), "size at which a new log file is begun",
            10.0, "MB", "SWARM_AGENT_LOG_FILE_MEGABYTES"),
    Setting("log.file_count", Number(1, 100, is_whole=True), "former log files that are kept",
            5, variable="SWARM_AGENT_LOG_FILE_COUNT"),
    Setting("process.niceness", Number(0, 19, is_whole=True),
            "how far other programs go first", 0, variable="SWARM_AGENT_NICENESS"),
    Setting("budget.memory_megabytes", Number(20, 10_000), "memory at rest; twice that restarts",
            60.0, "MB", "SWARM_AGENT_MEMORY_MEGABYTES", is_live=True),
    Setting("budget.cpu_percent", Number(0.1, 100), "share of one core at rest, over a minute",
            1.0, "%", "SWARM_AGENT_CPU_PERCENT", is_live=True),
    Setting("budget.running_memory_megabytes", Number(20, 10_000),
            "memory while a test runs; twice that restarts",
            120.0, "MB", "SWARM_AGENT_RUNNING_MEMORY_MEGABYTES", is_live=True),
    Setting("budget.running_cpu_percent", Number(0.1, 100),
            "share of one core while a test runs, over a minute",
            25.0, "%", "SWARM_AGENT_RUNNING_CPU_PERCENT", is_live=True),
    Setting("policy.denied_networks", Networks(), "networks no test is sent to",
            _DEFAULT.denied_networks, variable="SWARM_AGENT_DENY", rule=Rule.UNION, is_live=True),
    Setting("responder.port", Number(0, 65_535, is_whole=True),
            "where runs of other agents are answered, while they last; 0 for nowhere",
            8620, variable="SWARM_AGENT_RESPONDER_PORT"),
    Setting("responder.address", IpAddress(), "the only address at which they are",
            variable="SWARM_AGENT_RESPONDER_ADDRESS"),
    Setting("collectors.processes.arguments", Switch(), "command lines of processes in full",
            built_in=False, variable=ARGUMENTS_VARIABLE),
    Setting("timing.heartbeat_seconds", Number(0.1, 86_400), "between two heartbeats",
            _DEFAULT.heartbeat_seconds, "s", rule=Rule.SERVER),
    Setting("timing.lease_seconds", Number(0.1, 86_400), "between two questions for orders",
            _DEFAULT.lease_seconds, "s", rule=Rule.SERVER),
    Setting("timing.stream_seconds", Number(0.1, 86_400), "between two uploads while a test runs",
            _DEFAULT.stream_seconds, "s", rule=Rule.SERVER),
    Setting("timing.idle_seconds", Number(0.1, 86_400), "between two uploads at rest",
            _DEFAULT.idle_seconds, "s", rule=Rule.SERVER),
)  # fmt: skip


def describe_collector(name: str) -> Iterator[Setting]:
    """The two settings that every collector has."""
    variable = f"SWARM_AGENT_{name.upper().replace('-', '_').replace('.', '_')}"
    yield Setting(
        f"collectors.{name}.enabled", Switch(), f"whether `{name}` is read", built_in=True,
        variable=f"{variable}_ENABLED", rule=Rule.OFF_STAYS_OFF, is_live=True,
    )  # fmt: skip
    usual_seconds = CollectorSettings().interval_seconds
    yield Setting(
        f"collectors.{name}.interval_seconds",
        Number(1, LONGEST_INTERVAL_SECONDS),
        f"between two readings of `{name}`",
        DEFAULT_INTERVALS_SECONDS.get(name, usual_seconds),
        "s",
        f"{variable}_INTERVAL_SECONDS",
        rule=Rule.SLOWER,
        is_live=True,
    )


def list_settings() -> Iterator[Setting]:
    """All settings, those of the collectors after the agent's own."""
    yield from OWN_SETTINGS
    for name in (*COLLECTORS, "agent"):
        yield from describe_collector(name)


SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in list_settings()}
