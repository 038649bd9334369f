"""`run`: measure until told to stop."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.runtime.agent import run_agent
from streamswarm_agent.runtime.parts import AgentOptions
from streamswarm_agent.spool.spool import SpoolLimits

_BYTES_PER_MEGABYTE = 1_000_000


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "run", "measure until told to stop (the service)")
    options.add_state_option(parser)
    parser.add_argument(
        "--spool-megabytes",
        type=options.parse_positive,
        default=SpoolLimits().bytes / _BYTES_PER_MEGABYTE,
        metavar="MB",
        help="most that may wait on disk; beyond it the oldest frames go (default: %(default)g)",
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="list everything measured in this file"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the agent in the foreground."""
    state = options.open_state(arguments)
    identity = options.require_identity(state)
    state.create()
    agent_options = AgentOptions(
        environment=os.environ,
        spool_limits=SpoolLimits(bytes=round(arguments.spool_megabytes * _BYTES_PER_MEGABYTE)),
        ledger_file=arguments.ledger,
    )
    return asyncio.run(run_agent(state, identity, agent_options))
