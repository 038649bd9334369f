"""Tests that choose their clients by a rule: assignments follow what matches and is there."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from apps.accounts.services import audited
from apps.clients.algorithms.presence import LATE_AFTER_HEARTBEATS, OFFLINE_AFTER_HEARTBEATS
from apps.clients.algorithms.selector import parse_selector
from apps.clients.models import Client
from apps.clients.selectors import build_selector_filter
from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.tests.algorithms.selection import Candidate, choose_all, choose_any
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, SelectionClock, Test
from apps.tests.services.bearing import find_member_limit, read_pair_limit
from apps.tests.services.booking import book_clients, lock_test
from apps.tests.services.pairing import (
    Ends,
    find_hub_id,
    list_ends,
    list_member_roles,
    list_members,
    list_roles_of_hub,
)
from apps.tests.services.quotas import find_full_clients, find_user_room
from apps.tests.services.shares import measure_shares

logger = structlog.get_logger(__name__)

CACHE_SECONDS = 3600
NOTE_LENGTH = 255
CLOCK_ID = 1
# Clients are chosen every 5 s: with heartbeats that come faster a tick's pause is no absence.
LONGEST_TICK = timedelta(seconds=10)
MEMBERS_READ = ("probes", "capabilities", "responder")
AWAY = frozenset({Client.Presence.OFFLINE, Client.Presence.NEVER})


@dataclass(frozen=True, slots=True)
class Match:
    """A client that the test's selector means, and how it stands to the test."""

    client_id: UUID
    name: str
    site: str
    presence: str
    is_assigned: bool
    inability: str
    """Why it cannot run the test; empty when it can."""

    def as_candidate(
        self, *, full: Collection[UUID], booked: float, is_presence_known: bool
    ) -> Candidate:
        return Candidate(
            client_id=self.client_id,
            site=self.site,
            is_assigned=self.is_assigned,
            is_online=self.presence == Client.Presence.ONLINE,
            is_offline=self.presence in AWAY and is_presence_known,
            is_capable=not self.inability,
            has_room=self.client_id not in full,
            booked=booked,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is to run a test, and why not more do; an empty note says that all is well."""

    client_ids: tuple[UUID, ...]
    note: str
    left_out: dict[str, str]
    """The reason of each client that matches and cannot run it, by its name."""


def choose_clients_everywhere(*, now: datetime | None = None) -> int:
    """How many tests changed hands: every test that chooses by a rule, and is not paused.

    Deleted clients lose theirs as well. A test that cannot be looked after is logged and left as
    it is, the others go on.
    """
    moment = now or read_now()
    is_presence_known = keep_time(moment)
    gone = Q(client__deleted_at__isnull=False) | Q(peer__deleted_at__isnull=False)
    having = Assignment.objects.filter(gone, removed_at=None)
    changed = 0
    for test in Test.objects.filter(id__in=having.values("test_id")).order_by("id"):
        with going_on(test):
            changed += drop_deleted_clients(test=test)
    rows = Test.objects.exclude(selection_kind=Test.SelectionKind.CLIENTS).select_related("hub")
    for test in rows.filter(is_paused=False).order_by("id"):
        with going_on(test):
            choice = choose(test, list_matches(test), is_presence_known=is_presence_known)
            if is_different(test, choice):
                changed += choose_clients(test=test, is_presence_known=is_presence_known)
    return changed


@contextmanager
def going_on(test: Test) -> Iterator[None]:
    """Log what goes wrong inside, and go on with the next test."""
    try:
        yield
    except NotFound:
        logger.info("test_gone", test=str(test.id))
    except Exception:
        logger.exception("clients_not_chosen", test=str(test.id))


@audited()
def drop_deleted_clients(*, test: Test) -> bool:
    """Whether deleted clients still had the test; they have it no longer.

    Raises: NotFound when it was deleted meanwhile.
    """
    locked = lock_test(test)
    active = locked.assignments.filter(removed_at=None)
    gone = Q(client__deleted_at__isnull=False) | Q(peer__deleted_at__isnull=False)
    if not active.filter(gone).exists():
        return False
    members = Client.objects.filter(id__in=list_members(locked), deleted_at=None)
    there = list(members.values_list("id", flat=True))
    book_clients(test=locked, client_ids=there, reason="client deleted")
    return True


def is_different(test: Test, choice: Choice) -> bool:
    return (
        list_active(test) != set(list_ends(test, choice.client_ids))
        or test.selection_note != choice.note
    )


def list_active(test: Test) -> set[Ends]:
    """The client of each assignment of the test, with its peer, if it has one."""
    rows = test.assignments.filter(removed_at=None).order_by()
    return set(rows.values_list("client_id", "peer_id"))


@audited()
def choose_clients(*, test: Test, is_presence_known: bool | None = None) -> bool:
    """Whether the test changed hands: its assignments are now what its rule chooses.

    While presences are not known nobody counts as offline; left out, the clock of the selection
    decides. A paused test, and one whose clients were named, is left as it is.
    Raises: NotFound when it was deleted meanwhile.
    """
    locked = lock_test(test)
    if locked.selection_kind == Test.SelectionKind.CLIENTS or locked.is_paused:
        return False
    is_known = believes_presences() if is_presence_known is None else is_presence_known
    matches = list_matches(locked)
    choice = choose(locked, matches, is_presence_known=is_known)
    if locked.selection_note != choice.note:
        locked.selection_note = choice.note
        locked.save(update_fields=["selection_note"])
    if list_active(locked) == set(list_ends(locked, choice.client_ids)):
        return False
    reason = explain_departures(matches, list_members(locked) - set(choice.client_ids))
    book_clients(test=locked, client_ids=choice.client_ids, reason=reason)
    return True


def explain_departures(matches: Iterable[Match], gone: Collection[UUID]) -> str:
    """Why those clients run the test no longer, in words and without names; empty for none.

    Without names, as it is shown to people who may not see all of the clients.
    """
    known = {one.client_id: one for one in matches}
    reasons = {explain_departure(known.get(client_id)) for client_id in gone}
    return "; ".join(sorted(reasons))[:NOTE_LENGTH]


def explain_departure(match: Match | None) -> str:
    if match is None:
        return "no longer matches"
    if match.inability:
        return match.inability
    if match.presence in AWAY:
        return f"offline for {OFFLINE_AFTER_HEARTBEATS} heartbeats"
    return "fewer clients are wanted"


def count_asked(test: Test) -> int | None:
    """How many clients the test's rule asks for at present; None when its clients are named."""
    if test.selection_kind == Test.SelectionKind.ANY:
        return test.wanted_clients
    if test.selection_kind == Test.SelectionKind.ALL:
        count = list_selected_clients(test).count()
        limit = find_member_limit(test)
        return count if limit is None else min(count, limit)
    return None


def list_selected_clients(test: Test) -> QuerySet[Client]:
    """The clients that the test's selector means; a hub is none of its own far ends."""
    condition = build_selector_filter(parse_selector(test.selector))
    rows = Client.objects.filter(condition, deleted_at=None)
    return rows.exclude(id=test.hub_id) if test.hub_id else rows


def list_matches(test: Test) -> list[Match]:
    """The clients that the test's selector means; the same few queries for any number of them."""
    mine = Assignment.objects.filter(test_id=test.id, removed_at=None)
    taking_part = Q(Exists(mine.filter(client_id=OuterRef("id"))))
    if test.topology:
        taking_part |= Q(Exists(mine.filter(peer_id=OuterRef("id"))))
    rows = list(
        list_selected_clients(test)
        .order_by("name")
        .annotate(is_assigned=taking_part)
        .values_list("id", "name", "site__slug", "presence", "is_assigned", "inventory_hash")
    )
    roles = list_member_roles(test)
    inabilities = find_inabilities(test, {row[0]: row[5] for row in rows}, roles=roles)
    return [
        Match(client_id, name, site or "", presence, bool(is_assigned), inabilities[client_id])
        for client_id, name, site, presence, is_assigned, _hash in rows
    ]


def find_inabilities(
    test: Test, hashes: Mapping[UUID, str], *, roles: Collection[str]
) -> dict[UUID, str]:
    """Why each client cannot take those roles, empty when it can; read once for each inventory."""
    kind = KINDS[test.kind]
    needs = ",".join([*kind.list_needs(test.parameters), *sorted(roles)])
    keys = {client_id: f"able:{kind.name}:{needs}:{code}" for client_id, code in hashes.items()}
    cached = cache.get_many({keys[client_id] for client_id, code in hashes.items() if code})
    unread = [client_id for client_id, key in keys.items() if key not in cached]
    inventories = (
        Client.objects.filter(id__in=unread)
        .order_by()
        .values_list("id", *(f"inventory__{name}" for name in MEMBERS_READ))
    )
    found = {
        client_id: kind.explain_inability(
            test.parameters, dict(zip(MEMBERS_READ, members, strict=True)), roles
        )
        for client_id, *members in (inventories if unread else ())
    }
    fresh = {keys[client_id]: text for client_id, text in found.items() if hashes[client_id]}
    cache.set_many(fresh, CACHE_SECONDS)
    gone = "is no client any more"
    return {
        client_id: cached[key] if key in cached else found.get(client_id, gone)
        for client_id, key in keys.items()
    }


def choose(test: Test, matches: list[Match], *, is_presence_known: bool = True) -> Choice:
    """Who is to run the test now, out of those that match; nobody without a hub that can."""
    if problem := explain_hub(test):
        return Choice((), problem[:NOTE_LENGTH], {})
    fresh = [one.client_id for one in matches if not one.is_assigned and not one.inability]
    is_settled = is_in_good_hands(test, matches, is_presence_known=is_presence_known)
    full = set()
    if not is_settled:
        full = find_full_clients(test, fresh, member_count=len(matches))
    is_any = test.selection_kind == Test.SelectionKind.ANY
    shares = measure_shares(except_test=test) if is_any and not is_settled else {}
    candidates = [
        one.as_candidate(
            full=full,
            booked=shares.get(one.client_id, 0.0),
            is_presence_known=is_presence_known,
        )
        for one in matches
    ]
    wanted = test.wanted_clients or 0
    chosen = choose_any(candidates, wanted) if is_any else choose_all(candidates)
    is_limited = False
    if not is_settled:
        chosen, is_limited = respect_user_room(test, chosen, candidates)
    left_out = explain_left_out(matches, set(chosen), full)
    note = (
        note_any(test, matches, set(chosen), is_limited=is_limited)
        if is_any
        else note_all(test, left_out, is_limited=is_limited)
    )
    return Choice(chosen, note[:NOTE_LENGTH], left_out)


def is_in_good_hands(test: Test, matches: list[Match], *, is_presence_known: bool) -> bool:
    """Whether nothing can change: as many as wanted have it, and can run it."""
    having = [one for one in matches if one.is_assigned]
    if any(one.inability for one in having):
        return False
    if test.selection_kind == Test.SelectionKind.ALL:
        return all(one.is_assigned or one.inability for one in matches)
    return len(having) == test.wanted_clients and not (
        is_presence_known and any(one.presence in AWAY for one in having)
    )


def respect_user_room(
    test: Test, chosen: Iterable[UUID], candidates: Iterable[Candidate]
) -> tuple[tuple[UUID, ...], bool]:
    """As many of the chosen as the maker's quota and the limit of pairs allow; whether it cut."""
    assigned = {one.client_id for one in candidates if one.is_assigned}
    kept = [client_id for client_id in chosen if client_id in assigned]
    new = [client_id for client_id in chosen if client_id not in assigned]
    rooms = []
    if (room := find_user_room(test, have=len(assigned)) if new else None) is not None:
        # Whoever is taken away makes room for another.
        rooms.append(room + len(assigned) - len(kept))
    if (limit := find_member_limit(test)) is not None:
        rooms.append(max(limit - len(kept), 0))
    if not rooms:
        return (*kept, *new), False
    return (*kept, *new[: min(rooms)]), len(new) > min(rooms)


def explain_hub(test: Test) -> str:
    """Why the hub of the test cannot take its part; empty when it can, or there is none."""
    if test.topology not in {Test.Topology.PAIR, Test.Topology.STAR}:
        return ""
    hub_id = find_hub_id(test)
    if hub_id is None or test.hub is None:
        return "its hub was deleted; choose another"
    roles = list_roles_of_hub(test)
    why = find_inabilities(test, {hub_id: test.hub.inventory_hash}, roles=roles)[hub_id]
    return f"the hub {test.hub.name} cannot take part: {why}" if why else ""


def explain_left_out(
    matches: Iterable[Match], chosen: set[UUID], full: Collection[UUID]
) -> dict[str, str]:
    reasons = {}
    for one in matches:
        if one.client_id in chosen:
            continue
        if one.inability:
            reasons[one.name] = one.inability
        elif one.client_id in full:
            reasons[one.name] = "has no room in its quota"
    return reasons


def note_any(test: Test, matches: list[Match], chosen: set[UUID], *, is_limited: bool) -> str:
    """Why fewer than wanted run it, or offline ones do, in words; empty when all is well."""
    away = [one for one in matches if one.client_id in chosen and one.presence in AWAY]
    wanted = test.wanted_clients or 0
    running = len(chosen) - len(away)
    if running >= wanted:
        return ""
    if is_limited:
        return f"{running} of {wanted}: {explain_limit(test)} no more"
    title = KINDS[test.kind].title
    return (
        f"{running} of {wanted}: no other client that matches is online, has room"
        f" and can run {title}"
    )


def explain_limit(test: Test) -> str:
    if find_member_limit(test) is None:
        return "the quota of its maker allows"
    return f"the quota of its maker or the limit of {read_pair_limit():,} pairs a test allows"


def note_all(test: Test, left_out: dict[str, str], *, is_limited: bool) -> str:
    """Who is left out and why; empty when all that match run it."""
    parts = [f"{name} {reason}" for name, reason in sorted(left_out.items())]
    if is_limited:
        parts.insert(0, f"{explain_limit(test)} no more clients")
    text = "; ".join(parts)
    if len(text) <= NOTE_LENGTH:
        return text
    return f"{len(left_out)} clients that match cannot run it, as {parts[0]}"


def keep_time(now: datetime) -> bool:
    """Whether the presences can be believed; notes that the server is here at this moment.

    Right after the server, or the door that heartbeats come through, was away, everybody seems
    offline: believed are presences only three heartbeats later.
    """
    heartbeat = timedelta(seconds=settings.SWARM_HEARTBEAT_SECONDS)
    newest: datetime | None = Client.objects.aggregate(newest=Max("last_heartbeat_at"))["newest"]
    is_door_silent = newest is not None and now - newest > LATE_AFTER_HEARTBEATS * heartbeat
    with transaction.atomic():
        clock = SelectionClock.objects.select_for_update().filter(id=CLOCK_ID).first()
        was_away = clock is None or now - clock.ticked_at > measure_absence()
        settled_at = now if clock is None else clock.settled_at
        if was_away or is_door_silent:
            settled_at = now + OFFLINE_AFTER_HEARTBEATS * heartbeat
        defaults: dict[str, Any] = {"ticked_at": now, "settled_at": settled_at}
        SelectionClock.objects.update_or_create(id=CLOCK_ID, defaults=defaults)
    return now >= settled_at


def believes_presences() -> bool:
    """Whether presences are known right now, as the last look by `keep_time` found."""
    now = read_now()
    oldest = now - measure_absence()
    settled = SelectionClock.objects.filter(settled_at__lte=now, ticked_at__gte=oldest)
    return settled.exists()


def measure_absence() -> timedelta:
    """How long after its last tick the server counts as having been away."""
    heartbeat = timedelta(seconds=settings.SWARM_HEARTBEAT_SECONDS)
    return max(LATE_AFTER_HEARTBEATS * heartbeat, LONGEST_TICK)
