"""Options that several commands share."""

import argparse
import math
import os
import sys
from dataclasses import replace
from typing import Any

from streamswarm_agent.errors import AgentError
from streamswarm_agent.runtime.configuration.resolution import Configuration, Sources
from streamswarm_agent.spool.state import Identity, StateDirectory, find_state_directory


def add_state_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the agent keeps its identity and its spool (default: SWARM_AGENT_STATE_DIR, "
        "/var/lib/streamswarm-agent for root, ~/.local/state/streamswarm-agent otherwise)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="file of settings (default: SWARM_AGENT_CONFIG, /etc/streamswarm/agent.toml)",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting by its name in the file, stronger than file and environment",
    )


def add_server_options(parser: argparse.ArgumentParser, *, is_url_required: bool = True) -> None:
    parser.add_argument(
        "--server", required=is_url_required, metavar="URL", help="the server's address"
    )
    parser.add_argument("--token", required=True, help="enrolment token; - reads standard input")
    parser.add_argument("--ca-file", metavar="FILE", help="trust the certificates in this file")


def read_token(arguments: argparse.Namespace) -> str:
    """The token, from standard input when the option says `-`, so that `ps` does not show it."""
    token = sys.stdin.readline() if arguments.token == "-" else arguments.token  # noqa: S105 - a dash
    return str(token).strip()


def find_sources(arguments: argparse.Namespace) -> Sources:
    """Where the options say that settings are looked for; an option of its own counts most."""
    own = {"state.folder": arguments.state_dir}
    if getattr(arguments, "spool_megabytes", None) is not None:
        own["state.spool_megabytes"] = arguments.spool_megabytes
    given = [f"{name}={value}" for name, value in own.items() if value is not None]
    return Sources(os.environ, arguments.config, (*given, *arguments.assignments))


def open_state(
    arguments: argparse.Namespace, configuration: Configuration | None = None
) -> StateDirectory:
    """The state directory that options, environment or file name; it may not exist yet.

    Raises: ConfigurationRefused when a setting is not understood.
    """
    configuration = configuration or find_sources(arguments).read()
    is_root = os.geteuid() == 0
    chosen = configuration.read_text("state.folder")
    return StateDirectory(find_state_directory(chosen, {}, is_root=is_root))


def redirect_identity(identity: Identity, configuration: Configuration) -> Identity:
    """The identity with the server's address and certificates that the owner has set since."""
    enrolled = configuration.with_enrolment(identity.server_url, identity.ca_file)
    return replace(
        identity,
        server_url=enrolled.read_text("server.url") or identity.server_url,
        ca_file=enrolled.read_text("server.ca_file"),
    )


def require_identity(state: StateDirectory) -> Identity:
    """The identity in the state directory.

    Raises: AgentError when the agent is not enrolled.
    """
    identity = state.read_identity()
    if identity is None:
        raise AgentError(
            f"not enrolled: {state.path} holds no agent.json; "
            "run `streamswarm-agent enrol --server URL --token TOKEN` first"
        )
    return identity


def parse_positive(text: str) -> float:
    """A finite number above 0, for argparse."""
    number = float(text)
    if not math.isfinite(number) or number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def parse_count(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def add_parser(commands: Any, name: str, description: str) -> argparse.ArgumentParser:
    """A new sub-command's parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=description, description=description
    )
    return parser
