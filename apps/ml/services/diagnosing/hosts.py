"""What a client says of itself around a moment: host, file systems, disks, links, radio."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from apps.clients.models import Client
from apps.metrics.selectors import (
    LatestValues,
    find_document,
    list_host_values,
)
from apps.ml.diagnosis.case import Disk, FileSystem, Link, Sibling, Usual
from apps.ml.services.diagnosing.pasts import (
    USED,
    Hours,
    find_days_left,
    find_rise,
    measure_hours,
    read_hours,
)

# Older figures say nothing of the moment.
FRESH = timedelta(minutes=15)
LOOPBACK = "lo"
# What is told with what is usual for this host.
HOST_KEYS = (
    "system.cpu.utilization",
    "system.cpu.pressure",
    "system.memory.utilization",
    "system.memory.pressure",
)
DISK_PREFIX = "hw.physical_disk."
SITE_CLIENTS_AT_MOST = 50
BAD_SECTORS = (
    "hw.physical_disk.reallocated_sectors",
    "hw.physical_disk.pending_sectors",
    "hw.physical_disk.uncorrectable",
)


@dataclass(frozen=True, slots=True)
class HostView:
    """The newest figures of a client's own sources, by what they are about."""

    host: Mapping[str, float] = field(default_factory=dict)
    host_usual: Mapping[str, Usual] = field(default_factory=dict)
    file_systems: tuple[FileSystem, ...] = ()
    disks: tuple[Disk, ...] = ()
    links: tuple[Link, ...] = ()
    wifi: Mapping[str, float] = field(default_factory=dict)
    busiest_process: str = ""


def view_host(client_id: UUID, at: datetime) -> HostView:
    """At most four queries; empty parts where the agent sent nothing lately."""
    fresh = [one for one in list_host_values(client_id) if abs(one.at - at) <= FRESH]
    by_kind: dict[str, list[LatestValues]] = {}
    for one in fresh:
        by_kind.setdefault(one.kind, []).append(one)
    wifi = by_kind.get("wifi", ())
    hosts = by_kind.get("host", ())[:1]
    hardware = by_kind.get("hardware", ())
    file_systems = by_kind.get("filesystem", ())
    past = read_hours([one.source_id for one in (*hosts, *hardware)], at) if fresh else {}
    days_left = find_days_left(file_systems, at) if file_systems else {}
    return HostView(
        host=hosts[0].values if hosts else {},
        host_usual=measure_hours(past[hosts[0].source_id], HOST_KEYS) if hosts else {},
        file_systems=tuple(
            read_file_system(one, days_left.get(one.source_id)) for one in file_systems
        ),
        disks=tuple(disk for one in hardware for disk in read_disks(one, past[one.source_id])),
        links=tuple(
            read_link(one, wireless={other.subject for other in wifi})
            for one in by_kind.get("interface", ())
            if one.subject != LOOPBACK
        ),
        wifi=wifi[0].values if wifi else {},
        busiest_process=name_busiest(client_id, at),
    )


def read_file_system(one: LatestValues, days_left: float | None) -> FileSystem:
    return FileSystem(
        mount=one.subject,
        utilization_ratio=one.values.get(USED, 0.0),
        days_left=days_left,
        is_read_only=bool(one.values.get("system.filesystem.read_only", 0.0)),
    )


def read_link(one: LatestValues, *, wireless: set[str]) -> Link:
    values = one.values
    errors = [
        value for key, value in values.items() if key.startswith("system.network.errors.rate")
    ]
    return Link(
        name=one.subject,
        is_up=values.get("system.network.link.up", 1.0) > 0,
        is_wireless=one.subject in wireless,
        utilization_ratio=values.get("system.network.link.utilization"),
        error_rate=sum(errors) if errors else None,
        carrier_changes=values.get("system.network.carrier.changes"),
    )


def read_disks(one: LatestValues, hours: Hours) -> list[Disk]:
    """The disks that tell how they are; attributes are written behind the metric's name."""
    keys: dict[str, dict[str, str]] = {}
    for key in one.values:
        name, _brace, attributes = key.partition("{")
        if name.startswith(DISK_PREFIX) and "disk=" in attributes:
            disk = attributes.rstrip("}").split("disk=")[1].split(",")[0]
            keys.setdefault(disk, {})[name] = key
    return [build_disk(disk, own, one.values, hours) for disk, own in keys.items()]


def build_disk(
    disk: str, keys: Mapping[str, str], values: Mapping[str, float], hours: Hours
) -> Disk:
    """The disk whose metrics have these keys."""
    passed = keys.get("hw.physical_disk.smart.passed")
    bad = [keys[name] for name in BAD_SECTORS if name in keys]
    return Disk(
        name=disk,
        is_passed=None if passed is None else values[passed] > 0,
        bad_sector_count=sum(values[key] for key in bad),
        bad_sector_rise=find_rise(values, hours, bad),
    )


def name_busiest(client_id: UUID, at: datetime) -> str:
    """The process that used most of the processor last; empty when nobody knows."""
    document = find_document(client_id, "processes", at + FRESH)
    if document is None or abs(document.at - at) > FRESH:
        return ""
    rows = document.body.get("rows")
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    used = [(row.get("cpu_ratio"), str(row.get("name", ""))) for row in known]
    measured = [(ratio, name) for ratio, name in used if isinstance(ratio, int | float)]
    return max(measured)[1] if measured else ""


def list_same_site(client: Client) -> tuple[Sibling, ...]:
    """Which other clients of the site are silent."""
    if client.site_id is None:
        return ()
    rows = Client.objects.filter(site_id=client.site_id, deleted_at=None).exclude(id=client.id)
    known = rows.exclude(presence=Client.Presence.NEVER).order_by("name")[:SITE_CLIENTS_AT_MOST]
    return tuple(
        Sibling(one.name, is_failing=one.presence == Client.Presence.OFFLINE) for one in known
    )
