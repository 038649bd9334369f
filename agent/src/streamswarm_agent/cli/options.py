"""Options that several commands share."""

import argparse
import math
import os
import sys
from typing import Any

from streamswarm_agent.errors import AgentError
from streamswarm_agent.spool.state import Identity, StateDirectory, find_state_directory


def add_state_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where the agent keeps its identity and its spool (default: SWARM_AGENT_STATE_DIR, "
        "/var/lib/streamswarm-agent for root, ~/.local/state/streamswarm-agent otherwise)",
    )


def add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", required=True, metavar="URL", help="the server's address")
    parser.add_argument("--token", required=True, help="enrolment token; - reads standard input")
    parser.add_argument("--ca-file", metavar="FILE", help="trust the certificates in this file")


def read_token(arguments: argparse.Namespace) -> str:
    """The token, from standard input when the option says `-`, so that `ps` does not show it."""
    token = sys.stdin.readline() if arguments.token == "-" else arguments.token  # noqa: S105 - a dash
    return str(token).strip()


def open_state(arguments: argparse.Namespace) -> StateDirectory:
    """The state directory the options and the environment name; it may not exist yet."""
    is_root = os.geteuid() == 0
    return StateDirectory(find_state_directory(arguments.state_dir, os.environ, is_root=is_root))


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
