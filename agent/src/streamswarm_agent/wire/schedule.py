"""The slots of a schedule, computed alike by agent and server (docs/wire.md, "Slots")."""

import hashlib
from collections.abc import Iterable, Iterator
from uuid import UUID, uuid5

from streamswarm_agent.wire.cron import iterate_minutes
from streamswarm_agent.wire.messages import Assignment, Run, Schedule

_RUN_NAMESPACE = UUID("5f0c5a3e-7c0b-5d1e-9d6a-1f2e3d4c5b6a")
_MINUTE_MS = 60_000


def _hash_text(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def compute_phase_ms(assignment_id: str, schedule: Schedule) -> int:
    """Milliseconds from the anchor to the first slot, below every_ms; 0 for `once` and `cron`."""
    if schedule.kind in {"once", "cron"}:
        return 0
    return _hash_text(f"{assignment_id}:phase") % schedule.every_ms


def compute_start_ms(assignment_id: str, schedule: Schedule, slot: int) -> int:
    """The Unix milliseconds at which a slot's run starts."""
    slip_ms = 0
    if schedule.kind != "continuous":
        text = f"{assignment_id}:{schedule.revision}:{slot}:slip"
        slip_ms = _hash_text(text) % (schedule.slip_ms + 1)
    if schedule.kind == "cron":
        return slot * _MINUTE_MS + slip_ms
    phase_ms = compute_phase_ms(assignment_id, schedule)
    return schedule.anchor_ms + phase_ms + slot * schedule.every_ms + slip_ms


def make_run_id(assignment_id: str, revision: int, slot: int) -> str:
    """The UUIDv5 that both sides give the run of a slot."""
    return str(uuid5(_RUN_NAMESPACE, f"{assignment_id}:{revision}:{slot}"))


def derive_runs(assignment: Assignment, *, from_ms: int, until_ms: int) -> Iterator[Run]:
    """The runs whose start lies in [from_ms, until_ms), by slot; none for an unknown schedule."""
    schedule = assignment.schedule
    for slot in _list_candidate_slots(assignment.id, schedule, from_ms, until_ms):
        start_ms = compute_start_ms(assignment.id, schedule, slot)
        if from_ms <= start_ms < until_ms:
            yield Run(
                id=make_run_id(assignment.id, schedule.revision, slot),
                assignment_id=assignment.id,
                slot=slot,
                start_ms=start_ms,
                duration_seconds=assignment.duration_seconds,
                is_on_demand=False,
            )


def _list_candidate_slots(
    assignment_id: str, schedule: Schedule, from_ms: int, until_ms: int
) -> Iterable[int]:
    if schedule.kind == "once":
        return range(1)
    if schedule.kind == "cron":
        earliest_ms = max(from_ms - schedule.slip_ms, schedule.anchor_ms)
        return iterate_minutes(
            schedule.expression,
            schedule.time_zone,
            from_minute=-(-earliest_ms // _MINUTE_MS),
            until_minute=-(-until_ms // _MINUTE_MS),
        )
    if schedule.kind not in {"every", "continuous"} or schedule.every_ms <= 0:
        return range(0)
    origin_ms = schedule.anchor_ms + compute_phase_ms(assignment_id, schedule)
    first = (from_ms - origin_ms - schedule.slip_ms) // schedule.every_ms
    last = (until_ms - origin_ms) // schedule.every_ms
    return range(max(0, first), max(0, last + 1))
