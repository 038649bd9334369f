"""Heartbeats, and what they say of a client's presence."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apps.clients.algorithms.clones import judge_boot
from apps.clients.algorithms.presence import judge_presence
from apps.clients.models import Client
from apps.clients.published import ClientChanged, HeartbeatRecorded, PresenceChanged
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated

HEARTBEATS_KEPT = 40
SHORT_BOOT = 8
# An ended process may be heard once more, late; a second agent speaks again and again.
RETURNS_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What an agent reports of itself every few seconds."""

    agent_version: str
    boot_id: str
    boot_counter: int
    spool_depth: int
    spool_dropped: int
    clock_offset_seconds: float | None
    clock_error_seconds: float | None
    address: str


@transaction.atomic
def record_heartbeat(*, client: Client, heartbeat: Heartbeat) -> None:
    """Note the heartbeat; a client that was away is online again at once.

    Boots that come back twice within ten minutes mark the client as having a clone.
    Raises: NotAuthenticated(key_revoked) when the client was deleted meanwhile.
    """
    now = read_now()
    previous = client.presence
    boot_fields = note_boot(client, heartbeat, now)
    client.heartbeats = [*client.heartbeats[1 - HEARTBEATS_KEPT :], round(now.timestamp(), 1)]
    client.last_heartbeat_at = now
    client.last_address = heartbeat.address
    client.agent_version = heartbeat.agent_version
    client.spool_depth = heartbeat.spool_depth
    client.spool_dropped = heartbeat.spool_dropped
    client.clock_offset_seconds = heartbeat.clock_offset_seconds
    client.clock_error_seconds = heartbeat.clock_error_seconds
    client.presence = Client.Presence.ONLINE
    if previous != Client.Presence.ONLINE:
        client.presence_since = now
    names = (
        "last_heartbeat_at", "last_address", "agent_version", "spool_depth", "spool_dropped",
        "clock_offset_seconds", "clock_error_seconds", "presence", "presence_since", "heartbeats",
        *boot_fields,
    )  # fmt: skip
    known = Client.objects.filter(id=client.id, deleted_at=None)
    if not known.update(**{name: getattr(client, name) for name in names}):
        raise NotAuthenticated("key_revoked", "This agent's client was deleted; enrol again.")
    publish(HeartbeatRecorded(client.id, now))
    if previous != Client.Presence.ONLINE:
        publish(PresenceChanged(client.id, Client.Presence.ONLINE, previous))


def note_boot(client: Client, heartbeat: Heartbeat, now: datetime) -> list[str]:
    """The fields of `client` that the heartbeat's boot changed; one that returns is no newest."""
    if heartbeat.boot_id == client.boot_id:
        client.boot_counter = heartbeat.boot_counter
        return ["boot_counter"]
    judgement = judge_boot(
        newest=client.boot_id, earlier=client.earlier_boots, boot_id=heartbeat.boot_id
    )
    if not judgement.has_come_back:
        client.earlier_boots = judgement.earlier
        client.boot_id, client.boot_counter = heartbeat.boot_id, heartbeat.boot_counter
        return ["earlier_boots", "boot_id", "boot_counter"]
    before, client.boot_returned_at = client.boot_returned_at, now
    if before is None or now - before > RETURNS_WITHIN:
        return ["boot_returned_at"]
    is_news = client.clone_suspected_at is None
    client.clone_suspected_at = client.clone_suspected_at or now
    client.clone_detail = (
        f"Boot {heartbeat.boot_id[:SHORT_BOOT]} from {heartbeat.address or 'no address'} and boot "
        f"{client.boot_id[:SHORT_BOOT]} from {client.last_address or 'no address'} take turns."
    )
    if is_news:
        publish(ClientChanged(client.id))
    return ["boot_returned_at", "clone_suspected_at", "clone_detail"]


def update_presence(*, now: datetime | None = None) -> int:
    """How many clients turned late or offline because their heartbeats stopped."""
    moment = now or read_now()
    changed = 0
    waiting = Client.objects.filter(
        Q(presence=Client.Presence.ONLINE) | Q(presence=Client.Presence.LATE), deleted_at=None
    ).only("id", "presence", "last_heartbeat_at")
    for client in waiting.iterator():
        presence = judge_presence(
            silence_seconds=(moment - (client.last_heartbeat_at or moment)).total_seconds(),
            heartbeat_seconds=settings.SWARM_HEARTBEAT_SECONDS,
        )
        if presence != client.presence:
            changed += move_presence(client, presence, moment)
    return changed


@transaction.atomic
def move_presence(client: Client, presence: str, now: datetime) -> int:
    """1 when the client moved; 0 when a heartbeat came in between and made this outdated."""
    moved = Client.objects.filter(
        id=client.id, presence=client.presence, last_heartbeat_at=client.last_heartbeat_at
    ).update(presence=presence, presence_since=now)
    if moved:
        publish(PresenceChanged(client.id, presence, client.presence))
    return moved
