"""Results as agents send them."""

from apps.core.clock import read_now
from apps.tests.services.results import NewResult


def build_result(run, **fields):
    now = read_now()
    return NewResult(
        **{
            "run_id": run.id,
            "assignment_id": run.assignment_id,
            "slot": run.slot,
            "revision": run.schedule_revision,
            "started_at": now,
            "finished_at": now,
            "outcome": "completed",
            "reason": "",
            "is_success": True,
            "method": "icmp",
            "values": {},
            "absent": {},
            "facts": {},
            "document": {},
            **fields,
        }
    )
