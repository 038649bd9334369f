"""`interfaces`: this host's network interfaces, also without a server."""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.cli.figures import (
    FAULTS,
    RECEIVED,
    SENT,
    label,
    open_table,
    show,
    sum_directions,
)
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.cli.readings import HostReader, HostReading, read_twice
from streamswarm_agent.collectors.inventory import InventoryReaders, list_interfaces

WIDE_COLUMNS = 120


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "interfaces", "list this host's network interfaces")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print each interface with its state and what goes through it."""
    reading = read_twice(HostReader(("interface",)))
    interfaces = list_interfaces(InventoryReaders())
    if arguments.json:
        print(json.dumps(describe(interfaces, reading)))
    else:
        print_interfaces(interfaces, reading)
    return 0


def describe(interfaces: Sequence[Mapping[str, Any]], reading: HostReading) -> dict[str, Any]:
    """Each interface of the inventory with its values and the reasons for what is missing."""
    rows = []
    for interface in interfaces:
        frame = reading.find("interface", interface["name"])
        rows.append({**interface, "values": dict(frame.values), "absent": dict(frame.absent)})
    return {"at": reading.as_document()["at"], "interfaces": rows}


def print_interfaces(interfaces: Sequence[Mapping[str, Any]], reading: HostReading) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    is_wide = console.width >= WIDE_COLUMNS
    columns = ("interface", "state", "speed", "MTU", "in", "out", "errors/s", "drops/s")
    table = open_table(*columns, *(("addresses",) if is_wide else ()))
    if is_wide:
        table.columns[-1].justify = "left"
    for interface in interfaces:
        frame = reading.find("interface", interface["name"])
        speed = interface["speed_bits_per_second"]
        cells = [
            label(interface["name"]),
            Text("up", "green") if interface["is_up"] else Text("down", "yellow"),
            format_quantity("system.network.link.speed", speed) if speed else Text("—", "dim"),
            str(interface["mtu_bytes"]),
            show(frame, RECEIVED),
            show(frame, SENT),
            *(sum_directions(frame, fault) for fault in FAULTS),
        ]
        addresses = "\n".join(interface["addresses"]) or "none"
        table.add_row(*cells, *((Text(addresses),) if is_wide else ()))
    if interfaces:
        console.print(table)
    else:
        console.print("This host shows no network interface.")
    if not is_wide:
        console.print()
        for interface in interfaces:
            addresses = ", ".join(interface["addresses"]) or "no address"
            console.print(Text.assemble(" ", label(interface["name"]), f": {addresses}"))
