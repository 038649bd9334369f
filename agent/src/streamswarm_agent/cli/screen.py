"""What `watch` shows: four panels out of a reading and a glance at the agent."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamswarm_agent.cli.figures import (
    RECEIVED,
    SENT,
    describe_cores,
    describe_disks,
    describe_filesystems,
    describe_host,
    describe_sensors,
    describe_traffic,
    format_age,
    label,
    open_table,
)
from streamswarm_agent.cli.quantities import format_quantity
from streamswarm_agent.cli.readings import HostReading
from streamswarm_agent.collectors.documents import clean
from streamswarm_agent.spool.glance import AgentGlance, LastResult
from streamswarm_agent.wire.times import parse_time

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

PANELS = {"1": "host", "2": "traffic", "3": "tests", "4": "spool"}
HISTORY_POINTS = 16
WIDE_COLUMNS = 140
RESULTS_SHOWN = 12
LEADING_METRICS = (
    "net.rtt.median",
    "net.packet.loss.ratio",
    "net.rtt.tcp_connect",
    "dns.lookup.duration",
    "http.client.request.duration",
)


@dataclass(frozen=True, slots=True)
class Screen:
    """All that one frame of the console shows; `agent` is a sentence when there is nothing."""

    reading: HostReading
    agent: AgentGlance | str
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    shown: frozenset[str] = frozenset(PANELS)
    is_paused: bool = False
    is_live: bool = True

    def press(self, key: str) -> "Screen":
        """The screen after a key: `p` pauses and goes on, 1 to 4 hide and show a panel."""
        if key == "p":
            return replace(self, is_paused=not self.is_paused)
        if key in PANELS:
            return replace(self, shown=self.shown.symmetric_difference({key}))
        return self


class History:
    """Bits a second, in and out together, of each interface in the last readings."""

    def __init__(self, points: int = HISTORY_POINTS) -> None:
        self._points = points
        self._rates: dict[str, deque[float]] = {}

    def add(self, reading: HostReading) -> None:
        frames = {frame.subject: frame for frame in reading.list_of("interface")}
        self._rates = {name: self._rates.get(name, deque(maxlen=self._points)) for name in frames}
        for name, frame in frames.items():
            if RECEIVED in frame.values and SENT in frame.values:
                self._rates[name].append(frame.values[RECEIVED] + frame.values[SENT])

    def as_lists(self) -> dict[str, list[float]]:
        return {name: list(rates) for name, rates in self._rates.items()}


def draw_screen(screen: Screen, columns: int) -> "RenderableType":
    """The frame for a terminal of that many columns: panels beside each other when wide."""
    from rich.console import Group
    from rich.table import Table

    panels = [
        draw(screen)
        for key, draw in zip(PANELS, (draw_host, draw_traffic, draw_tests, draw_spool), strict=True)
        if key in screen.shown
    ]
    body: Iterable[RenderableType] = panels
    if columns >= WIDE_COLUMNS and len(panels) > 1:
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(panels[0], Group(*panels[1:]))
        body = [grid]
    return Group(draw_head(screen), *body)


def draw_head(screen: Screen) -> "Text":
    from rich.text import Text

    head = Text("StreamSwarm agent", "bold")
    if isinstance(screen.agent, AgentGlance):
        head.append(f"  {clean(screen.agent.name)} at {clean(screen.agent.server_url)}", "dim")
    if screen.is_paused:
        head.append("  PAUSED", "bold yellow")
    if screen.is_live:
        head.append("  q quit · p pause · ", "dim")
        for key, name in PANELS.items():
            head.append(f"{key} {name} ", "dim" if key in screen.shown else "dim strike")
    return head


def draw_host(screen: Screen) -> "RenderableType":
    from rich.columns import Columns
    from rich.console import Group

    reading = screen.reading
    tables = [describe_host(reading), describe_cores(reading, width=12)]
    others = [
        table
        for table in (
            describe_filesystems(reading),
            describe_disks(reading),
            describe_sensors(reading),
        )
        if table.row_count
    ]
    return frame_panel(screen, "1", Group(Columns(tables, padding=(0, 3)), *others))


def draw_traffic(screen: Screen) -> "RenderableType":
    table = describe_traffic(screen.reading, screen.history)
    table.title = None
    return frame_panel(screen, "2", table)


def draw_tests(screen: Screen) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    agent = screen.agent
    if isinstance(agent, str):
        return frame_panel(screen, "3", Text(agent, "dim"))
    lines: list[RenderableType] = [describe_state(agent)]
    now = screen.reading.at
    for run in agent.running:
        age = describe_age(run.started_at, now)
        lines.append(
            Text.assemble(("▶ ", "cyan"), name_test(agent, run.assignment), f"  for {age}")
        )
    if agent.results:
        lines.append(describe_results(agent, now))
    elif not agent.running:
        lines.append(Text("no test has ended here yet", "dim"))
    return frame_panel(screen, "3", Group(*lines))


def describe_state(agent: AgentGlance) -> "Text":
    from rich.text import Text

    if agent.is_running is None:
        return Text(f"{len(agent.tests)} tests; whether the agent runs is not told here", "dim")
    if not agent.is_running:
        return Text("the agent is not running: streamswarm-agent run", "yellow")
    return Text(f"the agent runs, with {len(agent.tests)} tests", "green")


def describe_results(agent: AgentGlance, now: float) -> "RenderableType":
    from rich.text import Text

    table = open_table("test", "last result", "figure", "ago")
    for result in agent.results[:RESULTS_SHOWN]:
        word, style = judge(result)
        table.add_row(
            Text(name_test(agent, result.assignment_id)),
            Text(word, style),
            describe_figure(result),
            describe_age(result.at, now),
        )
    return table


def judge(result: LastResult) -> tuple[str, str]:
    """The word for a result, and its colour."""
    if result.outcome != "completed":
        return clean(result.outcome), "yellow"
    if result.is_success is None:
        return "done", "dim"
    return ("success", "green") if result.is_success else ("no success", "red")


def describe_figure(result: LastResult) -> str:
    """The leading figure of a result, else why it has none."""
    for key in LEADING_METRICS:
        value = result.values.get(key)
        if isinstance(value, int | float):
            return format_quantity(key, value)
    return clean(result.reason)


def name_test(agent: AgentGlance, assignment_id: str) -> str:
    return clean(agent.tests.get(assignment_id, assignment_id))


def draw_spool(screen: Screen) -> "RenderableType":
    from rich.text import Text

    agent = screen.agent
    if isinstance(agent, str):
        return frame_panel(screen, "4", Text(agent, "dim"))
    spool = agent.spool
    if spool is None:
        return frame_panel(screen, "4", Text("no spool yet: the agent has never run", "dim"))
    table = open_table("", "")
    table.show_header = False
    kinds = ", ".join(f"{count} {clean(kind)}" for kind, count in sorted(spool.by_kind.items()))
    waits = f"{spool.depth} records, {format_quantity('agent.memory.rss', spool.size_bytes)}"
    table.add_row("waiting", f"{waits}{f' ({kinds})' if kinds else ''}")
    if spool.oldest_at is not None:
        table.add_row("oldest", f"{describe_age(spool.oldest_at, screen.reading.at)} ago")
    table.add_row("dropped", Text(str(spool.dropped), "red" if spool.dropped else "green"))
    table.add_row("refused", Text(str(spool.refused), "yellow" if spool.refused else "green"))
    return frame_panel(screen, "4", table)


def describe_age(at: str, now: float) -> str:
    try:
        return format_age(now - parse_time(at))
    except ValueError:
        return label(at).plain


def frame_panel(screen: Screen, key: str, content: "RenderableType") -> "RenderableType":
    from rich.panel import Panel

    return Panel(
        content,
        title=f"{key} {PANELS[key]}",
        title_align="left",
        border_style="yellow" if screen.is_paused else "dim",
    )
