"""`run`: measure until told to stop."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.runtime.agent import Ending, run_agent
from streamswarm_agent.runtime.garbage import look_less_often
from streamswarm_agent.runtime.logs import direct_log
from streamswarm_agent.runtime.parts import AgentOptions


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "run", "measure until told to stop (the service)")
    options.add_state_option(parser)
    parser.add_argument(
        "--spool-megabytes",
        type=options.parse_positive,
        metavar="MB",
        help="most that may wait on disk; beyond it the oldest frames go (default: 200)",
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE", help="list everything measured in this file"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the agent in the foreground; one that is far over its budget begins anew."""
    sources = options.find_sources(arguments)
    configuration = sources.read()
    state = options.open_state(arguments, configuration)
    identity = options.redirect_identity(options.require_identity(state), configuration)
    state.create()
    direct_log(configuration, is_verbose=arguments.verbose)
    lower_priority(round(configuration.read_number("process.niceness")))
    look_less_often()
    agent_options = AgentOptions(
        environment=os.environ,
        configuration=configuration.with_enrolment(identity.server_url, identity.ca_file),
        sources=sources,
        ledger_file=arguments.ledger,
    )
    ending = asyncio.run(run_agent(state, identity, agent_options))
    if ending is Ending.RESTART:
        logging.shutdown()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command
    return 0 if ending is Ending.STOPPED else 1


def lower_priority(niceness: int) -> None:
    """Let other programs go first; only an administrator could go back, so nothing is raised."""
    present = os.nice(0)
    if niceness > present:
        os.nice(niceness - present)
