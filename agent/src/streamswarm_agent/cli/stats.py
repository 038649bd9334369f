"""`stats`: this host's figures now, also without a server."""

import argparse
import json
import time
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.figures import list_tables
from streamswarm_agent.cli.readings import BETWEEN_SECONDS, HostReader, HostReading, read_twice


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "stats", "show this host's figures now")
    parser.add_argument("--json", action="store_true", help="print one JSON object a reading")
    parser.add_argument(
        "--watch",
        type=options.parse_positive,
        metavar="S",
        help="read again every S seconds until interrupted",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print one reading, or one after another."""
    reader = HostReader()
    print_reading(read_twice(reader), is_json=arguments.json)
    while arguments.watch is not None:
        time.sleep(max(arguments.watch, BETWEEN_SECONDS))
        print_reading(reader.read(), is_json=arguments.json)
    return 0


def print_reading(reading: HostReading, *, is_json: bool) -> None:
    if is_json:
        print(json.dumps(reading.as_document()), flush=True)
        return
    from rich.console import Console

    console = Console()
    for table in list_tables(reading):
        console.print(table)
        console.print()
