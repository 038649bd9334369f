"""The host's figures as tables, for `stats`, `interfaces` and `watch`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from streamswarm_agent.cli.quantities import ABSENT, format_quantity
from streamswarm_agent.cli.readings import HostReading
from streamswarm_agent.collectors.base import CollectedFrame
from streamswarm_agent.collectors.documents import clean

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WARNING_SHARE, BAD_SHARE = 0.8, 0.95
BLOCKS = " ▏▎▍▌▋▊▉█"
SPARKS = "▁▂▃▄▅▆▇█"
RECEIVED = "system.network.io.rate{direction=receive}"
SENT = "system.network.io.rate{direction=transmit}"
FAULTS = ("system.network.errors.rate", "system.network.packet.dropped.rate")
SUMMARY = (
    ("processor", "system.cpu.utilization"),
    ("load 1 min", "system.cpu.load_average.1m"),
    ("load 5 min", "system.cpu.load_average.5m"),
    ("load 15 min", "system.cpu.load_average.15m"),
    ("memory", "system.memory.utilization"),
    ("memory left", "system.memory.available"),
    ("swap", "system.paging.utilization"),
    ("pressure: processor", "system.cpu.pressure"),
    ("pressure: memory", "system.memory.pressure"),
    ("pressure: I/O", "system.io.pressure"),
    ("processes", "system.process.count"),
    ("up for", "system.uptime"),
)


def show(frame: CollectedFrame, key: str) -> "Text":
    """A value with its unit, or why there is none."""
    from rich.text import Text

    value = frame.values.get(key)
    if value is None:
        return Text(ABSENT.get(frame.absent.get(key, ""), "—"), "dim")
    if key == "system.uptime":
        return Text(format_age(value))
    if key.startswith("system.cpu.load_average."):
        return Text(f"{value:.2f}")
    return Text(format_quantity(key, value))


def label(text: str) -> "Text":
    """A name that others chose, without what a terminal would obey."""
    from rich.text import Text

    return Text(clean(text))


def open_table(*columns: str, title: str = "") -> "Table":
    """A table whose columns, the first one aside, are numbers."""
    from rich.table import Table

    table = Table(box=None, header_style="bold dim", title=title or None, title_justify="left")
    table.title_style = "bold"
    for place, column in enumerate(columns):
        table.add_column(
            column, justify="right" if place else "left", no_wrap=True, overflow="ellipsis"
        )
    return table


def list_tables(reading: HostReading) -> "Iterable[Table]":
    """All there is to say of a host, one table for each kind of source that it has."""
    yield describe_host(reading)
    yield describe_cores(reading)
    for table in (
        describe_filesystems(reading),
        describe_disks(reading),
        describe_traffic(reading),
        describe_sensors(reading),
    ):
        if table.row_count:
            yield table


def describe_host(reading: HostReading) -> "Table":
    host = reading.find("host")
    table = open_table("", "", title="Host")
    table.show_header = False
    for label, key in SUMMARY:
        table.add_row(label, show(host, key))
    return table


def describe_cores(reading: HostReading, width: int = 20) -> "Table":
    """A bar for each core."""
    cores = reading.find("cpu")
    table = open_table("", "", "", title="Cores")
    table.show_header = False
    table.columns[1].justify = "left"
    keys = sorted({*cores.values, *cores.absent}, key=lambda key: (len(key), key))
    for number, key in enumerate(keys):
        table.add_row(f"core {number}", draw_bar(cores.values.get(key), width), show(cores, key))
    return table


def describe_filesystems(reading: HostReading) -> "Table":
    table = open_table("file system", "used", "", "size", "inodes", title="File systems")
    table.columns[2].justify = "left"
    for frame in reading.list_of("filesystem"):
        key = "system.filesystem.utilization"
        table.add_row(
            label(frame.subject),
            show(frame, key),
            draw_bar(frame.values.get(key), 10),
            show(frame, "system.filesystem.limit"),
            show(frame, "system.filesystem.inodes.utilization"),
        )
    return table


def describe_disks(reading: HostReading) -> "Table":
    table = open_table("disk", "read", "written", "busy", title="Disks")
    for frame in reading.list_of("disk"):
        table.add_row(
            label(frame.subject),
            show(frame, "system.disk.io.rate{direction=read}"),
            show(frame, "system.disk.io.rate{direction=write}"),
            show(frame, "system.disk.utilization"),
        )
    return table


def describe_traffic(
    reading: HostReading, history: Mapping[str, Sequence[float]] | None = None
) -> "Table":
    """Rates of each interface, loopback last; with a history also how they went."""
    has_history = history is not None
    faults = ("faults/s", "trend") if has_history else ("errors/s", "drops/s")
    table = open_table("interface", "in", "out", *faults, title="Traffic")
    for frame in sorted(reading.list_of("interface"), key=lambda one: one.subject == "lo"):
        table.add_row(
            label(frame.subject),
            show(frame, RECEIVED),
            show(frame, SENT),
            *(
                (
                    sum_directions(frame, *FAULTS),
                    draw_sparks((history or {}).get(frame.subject, ())),
                )
                if has_history
                else (sum_directions(frame, fault) for fault in FAULTS)
            ),
        )
    return table


def sum_directions(frame: CollectedFrame, *names: str) -> str:
    """In and out of all those metrics together; a dash when none was counted."""
    found = [
        value
        for name in names
        for direction in ("receive", "transmit")
        if (value := frame.values.get(f"{name}{{direction={direction}}}")) is not None
    ]
    return f"{sum(found):.3g}" if found else "—"


def describe_sensors(reading: HostReading) -> "Table":
    from rich.text import Text

    hardware = reading.find("hardware")
    table = open_table("sensor", "now", "to the limit", title="Sensors")
    for key in sorted({*hardware.values, *hardware.absent}):
        name, _, attributes = key.partition("{")
        sensor = attributes.rstrip("}").rpartition("sensor=")[2]
        if name in {"hw.temperature", "hw.fan.speed"} and sensor:
            margin = f"hw.temperature.margin{{sensor={sensor}}}"
            left = show(hardware, margin) if margin in hardware.values else Text("")
            table.add_row(label(sensor), show(hardware, key), left)
        elif name == "hw.battery.charge" and key in hardware.values:
            table.add_row("battery", show(hardware, key), Text(""))
    return table


def draw_bar(share: float | None, width: int) -> "Text":
    """A bar of eighths of a letter, green, yellow above 80 %, red above 95 %."""
    from rich.text import Text

    if share is None:
        return Text("·" * width, "dim")
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    bar = ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)
    style = "red" if share > BAD_SHARE else "yellow" if share > WARNING_SHARE else "green"
    return Text(bar, style)


def draw_sparks(values: Sequence[float]) -> "Text":
    """One letter a value, the largest of them full height."""
    from rich.text import Text

    highest = max(values, default=0.0)
    if highest <= 0:
        return Text(SPARKS[0] * len(values), "dim cyan")
    steps = len(SPARKS) - 1
    return Text("".join(SPARKS[round(value / highest * steps)] for value in values), "cyan")


def format_age(seconds: float) -> str:
    """How long, in the two largest units: `3 d 4 h`, `12 min 5 s`."""
    whole = max(int(seconds), 0)
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for place, (length, name) in enumerate(units[:-1]):
        if whole >= length:
            smaller_length, smaller_name = units[place + 1]
            rest = whole % length // smaller_length
            text = f"{whole // length} {name}"
            return f"{text} {rest} {smaller_name}" if rest else text
    return f"{whole} s"
