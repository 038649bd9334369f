"""What would happen if a test were made or changed, without storing anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from uuid import UUID

from django.db import transaction

from apps.accounts.actors import read_actor
from apps.clients.models import Client
from apps.core.clock import from_milliseconds, read_now
from apps.tests.algorithms.cron import iterate_minutes, read_minute
from apps.tests.algorithms.load import Load
from apps.tests.models import Test
from apps.tests.services.bearing import count_loads, refuse_members
from apps.tests.services.definition import (
    TestDefinition,
    check_definition,
    fill_test,
    refuse_taken_name,
)
from apps.tests.services.pairing import list_ends
from apps.tests.services.quotas import estimate_test, refuse_beyond_quotas
from apps.tests.services.selection import Choice, choose, count_asked, list_matches
from apps.tests.services.shares import find_share

STARTS_SHOWN = 5
MINUTE_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True)
class Named:
    """A client by id and name."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Who would run a test and when, and what that would cost them."""

    clients: tuple[Named, ...]
    left_out: dict[str, str]
    note: str
    load: Load
    busy_ratio: float
    next_starts: tuple[datetime, ...]
    pair_count: int = 0
    # How many times all of them together bear the load.
    load_count: int = 0

    @property
    def total_load(self) -> Load:
        return self.load.times(self.load_count)


def rehearse_test(
    definition: TestDefinition, *, clients: Iterable[Client] = (), test: Test | None = None
) -> Rehearsal:
    """What making the test, or changing `test` so, would do; nothing is stored.

    Raises: what making or changing it would raise.
    """
    checked = check_definition(definition)
    refuse_taken_name(checked.name, except_id=test.id if test else None)
    planned = Test(id=test.id) if test else Test()
    planned.created_by = test.created_by if test else read_actor().user
    fill_test(planned, checked)
    chosen, choice = rehearse_selection(planned, clients)
    with transaction.atomic():
        named = [one.id for one in chosen] if choice is None else []
        refuse_members(planned, set(named))
        refuse_beyond_quotas(planned, client_ids=named, count=count_asked(planned))
    now = read_now()
    ends = list_ends(planned, [one.id for one in chosen])
    return Rehearsal(
        clients=tuple(chosen),
        left_out=choice.left_out if choice else {},
        note=choice.note if choice else "",
        load=estimate_test(planned),
        busy_ratio=find_share(planned, now),
        next_starts=list_next_starts(planned, now=now),
        pair_count=len(ends) if planned.topology else 0,
        load_count=count_loads(planned, len(chosen)),
    )


def rehearse_selection(
    test: Test, clients: Iterable[Client] = ()
) -> tuple[list[Named], Choice | None]:
    """Who would run the test, by name, and the choice of its rule; None where clients are named."""
    if test.selection_kind == Test.SelectionKind.CLIENTS:
        unique = {client.id: Named(client.id, client.name) for client in clients}
        return sorted(unique.values(), key=lambda one: one.name), None
    matches = list_matches(test)
    choice = choose(test, matches)
    names = {one.client_id: one.name for one in matches}
    chosen = [Named(client_id, names[client_id]) for client_id in choice.client_ids]
    return sorted(chosen, key=lambda one: one.name), choice


def list_next_starts(
    test: Test, *, now: datetime, count: int = STARTS_SHOWN
) -> tuple[datetime, ...]:
    """The next starts of the test's schedule, before each client's own phase and random offset.

    Of a continuous test only the first: there is no pause between its runs.
    """
    begin = max(now, test.start_at)
    if test.schedule_kind == Test.ScheduleKind.CRON:
        minutes = iterate_minutes(
            test.cron_expression, test.time_zone, from_minute=read_minute(begin) + 1
        )
        return tuple(
            from_milliseconds(minute * MINUTE_MILLISECONDS) for minute in islice(minutes, count)
        )
    if test.schedule_kind == Test.ScheduleKind.EVERY and test.every_seconds:
        every = timedelta(seconds=test.every_seconds)
        first = max(ceil((begin - test.start_at) / every), 0)
        return tuple(test.start_at + (first + number) * every for number in range(count))
    return (begin if test.schedule_kind == Test.ScheduleKind.CONTINUOUS else test.start_at,)
