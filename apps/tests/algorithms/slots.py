"""When runs start: the same whole milliseconds on the server and on every agent (docs/wire.md)."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from apps.tests.algorithms.cron import iterate_minutes

RUN_NAMESPACE = UUID("5f0c5a3e-7c0b-5d1e-9d6a-1f2e3d4c5b6a")

MINUTE_MS = 60_000

ScheduleKind = Literal["once", "every", "cron", "continuous"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A test's schedule for one assignment; times in milliseconds of Unix time."""

    assignment: str
    kind: ScheduleKind
    revision: int
    anchor_ms: int
    every_ms: int
    slip_ms: int
    expression: str = ""
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One planned start; `number` counts from the schedule's beginning, or is a Unix minute."""

    number: int
    start_ms: int
    run_id: UUID
    # How far its start may be moved on inside the slip, where exclusive runs look for free time.
    latest_ms: int


def hash_text(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def derive_run_id(assignment: str, revision: int, number: int) -> UUID:
    return uuid5(RUN_NAMESPACE, f"{assignment}:{revision}:{number}")


def compute_start_ms(schedule: Schedule, number: int) -> int:
    """The start of slot `number`: anchor + phase + number * every + slip; of cron, minute + slip.

    The phase spreads assignments over the interval; the slip moves a start by up to `slip_ms`.
    """
    slip_ms = compute_slip_ms(schedule, number)
    if schedule.kind == "cron":
        return number * MINUTE_MS + slip_ms
    phase_ms = 0
    if schedule.kind != "once":
        phase_ms = hash_text(f"{schedule.assignment}:phase") % schedule.every_ms
    return schedule.anchor_ms + phase_ms + number * schedule.every_ms + slip_ms


def compute_slip_ms(schedule: Schedule, number: int) -> int:
    """What of `slip_ms` is in the start of slot `number`; a continuous schedule has none."""
    if schedule.kind == "continuous":
        return 0
    seed = f"{schedule.assignment}:{schedule.revision}:{number}:slip"
    return hash_text(seed) % (schedule.slip_ms + 1)


def iterate_slots(schedule: Schedule, *, from_ms: int, until_ms: int) -> Iterator[Slot]:
    """The slots that start in [from_ms, until_ms), in order of their numbers.

    Those of a cron schedule end eight years after `from_ms`.
    """
    for number in iterate_numbers(schedule, from_ms, until_ms):
        start_ms = compute_start_ms(schedule, number)
        if from_ms <= start_ms < until_ms:
            run_id = derive_run_id(schedule.assignment, schedule.revision, number)
            left_ms = schedule.slip_ms - compute_slip_ms(schedule, number)
            yield Slot(number, start_ms, run_id, start_ms + left_ms)


def iterate_numbers(schedule: Schedule, from_ms: int, until_ms: int) -> Iterable[int]:
    """The numbers among which all slots are that start in [from_ms, until_ms)."""
    if schedule.kind == "once":
        return (0,)
    if schedule.kind == "cron":
        earliest_ms = max(from_ms - schedule.slip_ms, schedule.anchor_ms)
        return iterate_minutes(
            schedule.expression,
            schedule.time_zone,
            from_minute=-(-earliest_ms // MINUTE_MS),
            until_minute=-(-until_ms // MINUTE_MS),
        )
    earliest = (from_ms - schedule.anchor_ms - schedule.slip_ms) // schedule.every_ms - 1
    latest = (until_ms - schedule.anchor_ms) // schedule.every_ms
    return range(max(earliest, 0), max(latest, -1) + 1)
