"""Children of a supervisor, and what it says of them."""

import asyncio
import os
import sys
from collections.abc import Callable

from apps.operations.supervisor.backoff import BackoffPolicy
from apps.operations.supervisor.child import Child
from apps.operations.supervisor.supervisor import Supervisor

DEADLINE_SECONDS = 20
SLEEPER = "import time; time.sleep(600)"


class Journal:
    """What the supervisor reported and how its children stood, in order."""

    def __init__(self):
        self.lines = []
        self.states = []

    def report(self, name, line):
        self.lines.append((name, line))

    def note(self, children):
        self.states.append({child.name: child for child in children})

    def has_line(self, text):
        return any(text in line for _, line in self.lines)


def build_supervisor(journal, **options):
    policy = BackoffPolicy(first_seconds=0.01, longest_seconds=0.05)
    return Supervisor(report=journal.report, on_change=journal.note, policy=policy, **options)


def make_child(tmp_path, code, *, name="child", arguments=(), **options):
    return Child(
        name=name,
        argv=(sys.executable, "-c", code, *arguments),
        environment=dict(os.environ),
        folder=tmp_path,
        **options,
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.01)
