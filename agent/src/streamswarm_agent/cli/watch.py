"""`watch`: host, traffic, tests and spool full-screen, with or without a server."""

import argparse
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.readings import BETWEEN_SECONDS, HostReader, read_twice
from streamswarm_agent.cli.screen import History, Screen, draw_screen
from streamswarm_agent.cli.terminal import Terminal
from streamswarm_agent.errors import AgentError, StateUnusable
from streamswarm_agent.spool.glance import AgentGlance, glance_at_agent
from streamswarm_agent.spool.state import StateDirectory

if TYPE_CHECKING:
    from rich.console import Console

_USUAL_SECONDS = 2.0


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "watch", "watch host, traffic, tests and spool live")
    options.add_state_option(parser)
    parser.add_argument(
        "--interval",
        type=options.parse_positive,
        default=_USUAL_SECONDS,
        metavar="S",
        help="seconds between readings (default: 2, at least 1)",
    )
    parser.add_argument("--once", action="store_true", help="print one frame as text")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Show the console until `q` or Ctrl-C, or print one frame of it."""
    from rich.console import Console

    console = Console()
    state = options.open_state(arguments)
    if arguments.once:
        reading = read_twice(HostReader())
        screen = Screen(reading, look_at(state), is_live=False)
        console.print(draw_screen(screen, console.width))
        return 0
    if not (sys.stdin.isatty() and console.is_terminal):
        raise AgentError(
            "watch needs a terminal to draw on and to read keys from; --once prints one frame"
        )
    run_console(console, state, max(arguments.interval, BETWEEN_SECONDS))
    return 0


def run_console(console: "Console", state: StateDirectory, interval_seconds: float) -> None:
    """Draw after each reading, each key and each change of the window's size; until `q`."""
    from rich.live import Live

    reader, history = HostReader(), History()
    reader.read()
    screen = Screen(reader.read(), look_at(state))
    history.add(screen.reading)
    due = time.monotonic() + BETWEEN_SECONDS
    with (
        Terminal(sys.stdin.fileno()) as terminal,
        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        while True:
            live.update(draw_screen(screen, console.width), refresh=True)
            key = terminal.wait(due - time.monotonic())
            if key == "q":
                return
            screen = screen.press(key)
            if time.monotonic() < due:
                continue
            due = time.monotonic() + interval_seconds
            if not screen.is_paused:
                reading = reader.read()
                history.add(reading)
                screen = replace(
                    screen, reading=reading, agent=look_at(state), history=history.as_lists()
                )


def look_at(state: StateDirectory) -> AgentGlance | str:
    """The agent of the state directory, or in a sentence why none is to be seen."""
    try:
        agent = glance_at_agent(state)
    except StateUnusable as error:
        return f"{error}; run as the agent's user or as root"
    if agent is None:
        return f"no agent is enrolled in {state.path}; the host is shown all the same"
    return agent
