"""What an agent says of its host, made ready for the page: it may hold anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from apps.accounts.models import AuditEntry
from apps.clients.algorithms.presence import LATE_AFTER_HEARTBEATS, OFFLINE_AFTER_HEARTBEATS
from apps.clients.models import Client
from apps.metrics.selectors import LatestValues

UTILIZATION = "system.filesystem.utilization"
USAGE = "system.filesystem.usage"


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of the inventory with how full it is, when that is measured."""

    mount_point: str
    device: str
    file_system: str
    total_bytes: object
    used_ratio: float | None

    @property
    def used_percent(self) -> int:
        return round(100 * min(max(self.used_ratio or 0.0, 0.0), 1.0))


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, how long after the one before it came, and what that means."""

    at: datetime
    gap_seconds: float | None
    tone: str


def describe_disks(inventory: Mapping[str, Any], latest: Sequence[LatestValues]) -> list[Disk]:
    """The file systems that the inventory names, each with its newest use."""
    ratios = {
        row.subject: row.values[UTILIZATION]
        for row in latest
        if row.kind == "filesystem" and UTILIZATION in row.values
    }
    return [
        Disk(
            mount_point=str(disk.get("mount_point", "")),
            device=str(disk.get("device", "")),
            file_system=str(disk.get("file_system", "")),
            total_bytes=disk.get("total_bytes"),
            used_ratio=ratios.get(str(disk.get("mount_point", ""))),
        )
        for disk in inventory.get("disks", [])
    ]


def describe_beats(moments: Sequence[float]) -> list[Beat]:
    """The heartbeats of those Unix seconds, oldest first.

    A gap is good up to the silence after which a client counts as late, bad from the one after
    which it counts as offline.
    """
    beats = []
    before: float | None = None
    for moment in moments:
        gap = None if before is None else moment - before
        beats.append(Beat(datetime.fromtimestamp(moment, UTC), gap, judge_gap(gap)))
        before = moment
    return beats


def judge_gap(gap_seconds: float | None) -> str:
    interval = settings.SWARM_HEARTBEAT_SECONDS
    if gap_seconds is None or gap_seconds <= LATE_AFTER_HEARTBEATS * interval:
        return "good"
    return "warning" if gap_seconds <= OFFLINE_AFTER_HEARTBEATS * interval else "bad"


def find_enrolment(client: Client) -> str:
    """The name of the token that let the client in, as the audit has it; else empty."""
    entry = (
        AuditEntry.objects.filter(action="enrol", object_type="client", object_id=str(client.id))
        .values_list("after__token", flat=True)
        .first()
    )
    return str(entry or "")
