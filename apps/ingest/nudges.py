"""Waking agents over their socket; a nudge may get lost, because they also poll."""

from uuid import UUID

from apps.clients.published import ClientChanged
from apps.core.push import push
from apps.tests.published import ScheduleChanged


def group_of(client_id: UUID) -> str:
    return f"agent.{client_id}"


def nudge_schedules(event: ScheduleChanged) -> None:
    for client_id in event.client_ids:
        push(group_of(client_id), {"type": "agent.nudge", "nudge": "leases"})


def recheck_key(event: ClientChanged) -> None:
    push(group_of(event.client_id), {"type": "agent.recheck"})
