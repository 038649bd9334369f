"""A look at an agent's state directory from outside, without disturbing the agent."""

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.wire.messages import Lease
from streamswarm_agent.wire.results import StartedRun


@dataclass(frozen=True, slots=True)
class LastResult:
    """What the newest run of an assignment found; `at` is when it ended."""

    assignment_id: str
    at: str
    outcome: str
    is_success: bool | None
    reason: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SpoolGlance:
    """What waits: records and bytes in all, by kind, since when, what was lost or refused."""

    depth: int
    size_bytes: int
    by_kind: Mapping[str, int]
    oldest_at: str | None
    dropped: int
    refused: int


@dataclass(frozen=True, slots=True)
class AgentGlance:
    """An agent as its files show it; `is_running` is None where that cannot be told."""

    name: str
    server_url: str
    is_running: bool | None
    tests: Mapping[str, str]
    running: tuple[StartedRun, ...]
    results: tuple[LastResult, ...]
    spool: SpoolGlance | None


def glance_at_agent(state: StateDirectory, proc_root: Path = Path("/proc")) -> AgentGlance | None:
    """The agent of that directory; None when none is enrolled there.

    Raises: StateUnusable when the directory may not be read or something is not understood.
    """
    identity = state.read_identity()
    if identity is None:
        return None
    running, results, spool = read_spool(state.spool_path)
    return AgentGlance(
        name=identity.name,
        server_url=identity.server_url,
        is_running=is_locked(state.path / "lock", proc_root),
        tests=read_tests(state),
        running=running,
        results=results,
        spool=spool,
    )


def read_tests(state: StateDirectory) -> dict[str, str]:
    """The names of the tests in the last lease, by assignment."""
    document = state.read_json("leases.json")
    try:
        lease = Lease.parse(document) if document is not None else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {one.id: one.name for one in lease.assignments.values()} if lease else {}


def read_spool(
    path: Path,
) -> tuple[tuple[StartedRun, ...], tuple[LastResult, ...], SpoolGlance | None]:
    """The runs under way, the last results (newest first) and what waits in a spool.

    Raises: StateUnusable when the file cannot be read.
    """
    if not path.exists():
        return (), (), None
    try:
        # Never created, never written: `mode=ro` also keeps the check-pointing to the agent.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            return list_running(connection), list_results(connection), sum_up(connection)
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise StateUnusable(f"the spool {path} cannot be read: {error}") from error


def list_running(connection: sqlite3.Connection) -> tuple[StartedRun, ...]:
    rows = connection.execute("SELECT journal FROM runs WHERE journal IS NOT NULL")
    return tuple(StartedRun(**json.loads(journal)) for (journal,) in rows)


def list_results(connection: sqlite3.Connection) -> tuple[LastResult, ...]:
    has_results = "SELECT 1 FROM sqlite_schema WHERE name = 'last_results'"
    if connection.execute(has_results).fetchone() is None:
        return ()
    rows = connection.execute(
        "SELECT assignment, at, payload FROM last_results ORDER BY at DESC LIMIT 100"
    )
    return tuple(describe_result(*row) for row in rows)


def describe_result(assignment_id: str, at: str, payload: str) -> LastResult:
    found: dict[str, Any] = json.loads(payload)
    return LastResult(
        assignment_id=assignment_id,
        at=at,
        outcome=str(found["outcome"]),
        is_success=found.get("is_success"),
        reason=str(found.get("reason", "")),
        values=dict(found.get("values", {})),
    )


def sum_up(connection: sqlite3.Connection) -> SpoolGlance:
    counts = connection.execute("SELECT kind, count(*), sum(bytes) FROM records GROUP BY kind")
    kinds = counts.fetchall()
    oldest = connection.execute("SELECT at FROM records ORDER BY id LIMIT 1").fetchone()
    dropped = connection.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()
    (refused,) = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    return SpoolGlance(
        depth=sum(count for _kind, count, _bytes in kinds),
        size_bytes=sum(size_bytes for _kind, _count, size_bytes in kinds),
        by_kind={kind: count for kind, count, _bytes in kinds},
        oldest_at=oldest[0] if oldest else None,
        dropped=dropped[0] if dropped else 0,
        refused=refused,
    )


def is_locked(path: Path, proc_root: Path = Path("/proc")) -> bool | None:
    """Whether some process holds the lock, without trying to take it; None if it is not said.

    Source: /proc/locks, as in proc(5).
    """
    try:
        found = path.stat()
        lines = (proc_root / "locks").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None if path.exists() else False
    except OSError:
        return None
    major, minor = os.major(found.st_dev), os.minor(found.st_dev)
    name = f"{major:02x}:{minor:02x}:{found.st_ino}"
    return any(name in line.split() for line in lines if " FLOCK " in line)
