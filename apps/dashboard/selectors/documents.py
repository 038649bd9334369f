"""Documents that agents wrote, as tables; whatever they hold, a table comes out."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from apps.metrics.models import Document


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process; None where the agent said nothing that can be read."""

    pid: float | None
    name: str
    user: str
    state: str
    cpu_ratio: float | None
    rss_bytes: float | None
    threads: float | None
    started_at: datetime | None
    command: str


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """Listening sockets, or connections that differ in one port only."""

    direction: str
    protocol: str
    local_address: str
    local_port: float | None
    remote_address: str
    remote_port: float | None
    states: tuple[tuple[str, float], ...]
    count: float | None
    pid: float | None
    process: str

    @property
    def local(self) -> str:
        return write_endpoint(self.local_address, self.local_port)

    @property
    def remote(self) -> str:
        return write_endpoint(self.remote_address, self.remote_port)


@dataclass(frozen=True, slots=True)
class Missing:
    """What a document does not show: reason code, what, and what would help."""

    code: str
    what: str
    remedy: str


Row = TypeVar("Row")

PROCESS_COLUMNS: Mapping[str, Callable[[ProcessRow], Any]] = {
    "name": lambda row: row.name.casefold(),
    "pid": lambda row: row.pid,
    "user": lambda row: row.user.casefold(),
    "cpu": lambda row: row.cpu_ratio,
    "memory": lambda row: row.rss_bytes,
    "threads": lambda row: row.threads,
    "started": lambda row: row.started_at,
}
DIRECTIONS = ("listening", "incoming", "outgoing")
CONNECTION_COLUMNS: Mapping[str, Callable[[ConnectionRow], Any]] = {
    "direction": lambda row: (
        DIRECTIONS.index(row.direction) if row.direction in DIRECTIONS else len(DIRECTIONS)
    ),
    "protocol": lambda row: row.protocol,
    "local": lambda row: (row.local_port or 0, row.local_address),
    "remote": lambda row: (row.remote_address, row.remote_port or 0),
    "count": lambda row: row.count,
    "process": lambda row: row.process.casefold() or None,
}


def list_process_rows(document: Document) -> list[ProcessRow]:
    return [
        ProcessRow(
            pid=read_number(row.get("pid")),
            name=read_text(row.get("name")),
            user=read_text(row.get("user")),
            state=read_text(row.get("state")),
            cpu_ratio=read_number(row.get("cpu_ratio")),
            rss_bytes=read_number(row.get("rss_bytes")),
            threads=read_number(row.get("threads")),
            started_at=read_moment(row.get("started_at")),
            command=read_text(row.get("command")),
        )
        for row in list_objects(document.body.get("rows"))
    ]


def list_connection_rows(document: Document) -> list[ConnectionRow]:
    return [
        ConnectionRow(
            direction=read_text(row.get("direction")),
            protocol=read_text(row.get("protocol")),
            local_address=read_text(row.get("local_address")),
            local_port=read_number(row.get("local_port")),
            remote_address=read_text(row.get("remote_address")),
            remote_port=read_number(row.get("remote_port")),
            states=list_counts(row.get("states")),
            count=read_number(row.get("count")),
            pid=read_number(row.get("pid")),
            process=read_text(row.get("process")),
        )
        for row in list_objects(document.body.get("rows"))
    ]


def list_missing(document: Document) -> list[Missing]:
    return read_missing(document.body.get("missing"))


def read_missing(told: Any) -> list[Missing]:
    return [
        Missing(*(read_text(entry.get(name)) for name in ("code", "what", "remedy")))
        for entry in list_objects(told)
    ]


def list_counts(value: Any) -> tuple[tuple[str, float], ...]:
    """How many there are of each state, most of all first."""
    pairs = value.items() if isinstance(value, dict) else ()
    known = [(name, number) for name, count in pairs if (number := read_number(count)) is not None]
    return tuple(sorted(known, key=lambda pair: -pair[1]))


def search_rows(rows: Iterable[Row], text: str, describe: Callable[[Row], str]) -> list[Row]:
    """The rows in whose description every word of the text occurs."""
    words = text.casefold().split()
    return [row for row in rows if all(word in describe(row).casefold() for word in words)]


def order_table(
    rows: Sequence[Row],
    wanted: str,
    columns: Mapping[str, Callable[[Row], Any]],
    *,
    default: str,
) -> tuple[list[Row], str]:
    """The rows in the wanted order (`name`, or `-name` for the other way round), and that order.

    Rows without a value come last either way; an unknown order means `default`.
    """
    order = wanted if wanted.removeprefix("-") in columns else default
    rank = columns[order.removeprefix("-")]
    valued = sorted(
        (row for row in rows if rank(row) is not None), key=rank, reverse=order.startswith("-")
    )
    return valued + [row for row in rows if rank(row) is None], order


def describe_process(row: ProcessRow) -> str:
    return f"{row.name} {row.user} {row.command} {write_number(row.pid)} {row.state}"


def describe_connection(row: ConnectionRow) -> str:
    states = " ".join(name for name, _count in row.states)
    return (
        f"{row.direction} {row.protocol} {row.local} {row.remote} {row.process}"
        f" {write_number(row.pid)} {states}"
    )


def write_endpoint(address: str, port: float | None) -> str:
    """`192.0.2.1:443`, `[2001:db8::1]:443`, or the address alone where ports vary."""
    if port is None:
        return address
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{write_number(port)}"


def write_number(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}"


def list_objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def read_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def read_whole(value: Any, largest: int) -> int | None:
    """The number as a whole one from 0 to the largest; None for anything else."""
    number = read_number(value)
    return int(number) if number is not None and number in range(largest + 1) else None


def read_moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
