"""Quotas: who may ask for how much, and how much a client is asked for.

A quota bounds what runs if all runs run at once, so that it holds at every moment; paused tests
count for nothing, and runs asked for by hand as load until they are over.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.actors import read_actor
from apps.accounts.models import User
from apps.accounts.services import audited, record_audit
from apps.clients.models import Client
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tests.algorithms.load import Load
from apps.tests.algorithms.quotas import Excess, Limits, Use, count_room, find_excess
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Quota, Run, Test
from apps.tests.services.bearing import (
    count_loads,
    count_loads_of_member,
    count_members_within,
    count_runs_at_once,
)
from apps.tests.services.pairing import list_members

MOST_TESTS = 1_000_000
MOST_RATE = 1e9
# Where a form or a program changes how many clients bear a test.
FIELDS_OF_SELECTION = {"clients": "clients", "all": "selection_kind", "any": "wanted_clients"}


@dataclass(frozen=True, slots=True)
class LimitTable:
    """The limits of a scope: those of some by their id, and those of everybody else."""

    others: Limits
    of: dict[Any, Limits]

    def find(self, owner_id: Any) -> Limits:
        return self.of.get(owner_id, self.others)

    @property
    def is_unlimited(self) -> bool:
        return self.others.is_unlimited and all(one.is_unlimited for one in self.of.values())


def read_limits(scope: str) -> LimitTable:
    """The limits of all users or of all clients; one query."""
    others, own = Limits(), {}
    for row in Quota.objects.filter(scope=scope):
        limits = Limits(row.tests, row.packets_per_second, row.megabits_per_second)
        owner_id = row.user_id if scope == Quota.Scope.USER else row.client_id
        if owner_id is None:
            others = limits
        else:
            own[owner_id] = limits
    return LimitTable(others, own)


def estimate_test(test: Test) -> Load:
    """The most that a run of the test puts on the network of one client."""
    return KINDS[test.kind].estimate_load(
        test.parameters,
        test.sample_interval_seconds,
        duration_seconds=test.duration_seconds,
    )


def estimate_tests(**conditions: Any) -> dict[UUID, Load]:
    rows = Test.objects.filter(is_paused=False, **conditions).order_by()
    return {
        test.id: estimate_test(test)
        for test in rows.only("kind", "parameters", "sample_interval_seconds", "duration_seconds")
    }


def list_runs_by_hand(runs: QuerySet[Run]) -> list[tuple[UUID, int | None, Load]]:
    """Each client, who asked, and the load of those runs by hand that are not over; one query."""
    rows = runs.filter(is_on_demand=True, state__in=Run.OPEN_STATES)
    return [
        (client_id, run.requested_by_id, estimate_test(run.assignment.test))
        for run in rows.select_related("assignment__test").order_by()
        for client_id in run.assignment.participant_ids
    ]


def measure_clients(
    client_ids: Collection[UUID] | None = None, *, except_test: Test | None = None
) -> dict[UUID, Use]:
    """What each of those clients is asked for, or each of all; three queries.

    A client that is asked for nothing is left out.
    """
    rows = Assignment.objects.filter(removed_at=None, test__is_paused=False).order_by()
    if client_ids is not None:
        rows = rows.filter(Q(client_id__in=client_ids) | Q(peer_id__in=client_ids))
    if except_test is not None:
        rows = rows.exclude(test_id=except_test.id)
    loads = estimate_tests()
    found: dict[UUID, Use] = {}
    for (client_id, test_id), count in count_parts(rows).items():
        one = Use(1, loads.get(test_id, Load()).times(count))
        found[client_id] = found.get(client_id, Use()) + one
    by_hand = Run.objects.all() if client_ids is None else filter_runs_of(client_ids)
    for client_id, _user_id, load in list_runs_by_hand(by_hand):
        found[client_id] = found.get(client_id, Use()) + Use(0, load)
    if client_ids is not None:
        return {client_id: use for client_id, use in found.items() if client_id in client_ids}
    return found


def count_parts(rows: QuerySet[Assignment]) -> Counter[tuple[UUID, UUID]]:
    """In how many of the assignments each client takes part, by client and test; one query."""
    counts: Counter[tuple[UUID, UUID]] = Counter()
    for client_id, peer_id, test_id in rows.values_list("client_id", "peer_id", "test_id"):
        counts.update((one, test_id) for one in (client_id, peer_id) if one is not None)
    return counts


def filter_runs_of(client_ids: Collection[UUID]) -> QuerySet[Run]:
    """The runs in which any of those clients takes part."""
    return Run.objects.filter(
        Q(assignment__client_id__in=client_ids) | Q(assignment__peer_id__in=client_ids)
    )


def measure_users(user_id: int | None = None) -> dict[int, Use]:
    """What each user who made tests asks for of all clients together, or one of them."""
    conditions: dict[str, Any] = {"created_by__isnull": False}
    if user_id is not None:
        conditions = {"created_by_id": user_id}
    loads = estimate_tests(**conditions)
    owners = dict(Test.objects.filter(id__in=loads).values_list("id", "created_by_id"))
    rows = Assignment.objects.filter(removed_at=None, test_id__in=loads).order_by()
    counts: Counter[UUID] = Counter()
    for (_client_id, test_id), count in count_parts(rows).items():
        counts[test_id] += count
    found: dict[int, Use] = {}
    for test_id, load in loads.items():
        owner_id = owners[test_id]
        if owner_id is not None:
            one = Use(1, load.times(counts[test_id]))
            found[owner_id] = found.get(owner_id, Use()) + one
    asked = {"requested_by__isnull": False} if user_id is None else {"requested_by_id": user_id}
    for _client_id, asker_id, load in list_runs_by_hand(Run.objects.filter(**asked)):
        if asker_id is not None:
            found[asker_id] = found.get(asker_id, Use()) + Use(0, load)
    return found


def refuse_beyond_quotas(
    test: Test, *, client_ids: Sequence[UUID], count: int | None = None
) -> None:
    """Lock whose quota counts, and refuse what would break it.

    Beside the quotas of the test's maker and of its clients that of whoever acts counts, as if a
    test of others were the own. `test` is as it is to be, stored only as it was; `client_ids` are
    to bear it, `count` of them or of others when a rule chooses.
    Raises: Conflict(quota_exceeded) naming whose limit, what it is, what there is and is asked.
    """
    if test.is_paused:
        return
    stored = Test.objects.filter(id=test.id).first()
    before = Load() if stored is None or stored.is_paused else estimate_test(stored)
    is_counted = stored is not None and not stored.is_paused
    had = count_runs_at_once(stored, list_members(stored)) if stored and is_counted else Counter()
    was = Use(1, before.times(had.total())) if is_counted else Use()
    becoming = count_runs_at_once(test, client_ids)
    loads = becoming.total() if count is None else count_loads(test, count)
    becomes = Use(1, estimate_test(test).times(loads))
    field = FIELDS_OF_SELECTION[test.selection_kind]
    for user in list_liable_users(test):
        check_user(user, is_owner=user == test.created_by, was=was, becomes=becomes, field=field)
    check_clients(test, becoming=becoming, had=had, before=before)


def list_liable_users(test: Test) -> list[User]:
    """Whose quotas a change of the test must fit into, in the order in which they are locked."""
    users = {user.pk: user for user in (test.created_by, read_actor().user) if user is not None}
    return [users[key] for key in sorted(users)]


def check_user(user: User, *, is_owner: bool, was: Use, becomes: Use, field: str) -> None:
    limits = read_limits(Quota.Scope.USER).find(user.pk)
    if limits.is_unlimited:
        return
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    own = measure_users(user.pk).get(user.pk, Use())
    others = Use(own.tests - was.tests, own.load + was.load.times(-1)) if is_owner else own
    excess = find_excess(limits, current=others + was, asked=others + becomes)
    if excess is not None:
        is_about_clients = excess.limit != "tests"
        raise build_refusal(
            f"user {user.username}", excess, field=field if is_about_clients else ""
        )


def refuse_runs_beyond_quotas(test: Test, *, client_ids: Sequence[UUID]) -> None:
    """Lock whose quota counts, and refuse a run by hand on each of the clients that breaks it.

    A client is named once for each of the runs in which it takes part.

    Raises: Conflict(quota_exceeded) naming whose limit, what it is, what there is and is asked.
    """
    load = estimate_test(test)
    counts = Counter(client_ids)
    user = read_actor().user
    if user is not None:
        becomes = Use(0, load.times(counts.total()))
        check_user(user, is_owner=False, was=Use(), becomes=becomes, field="clients")
    table, names = lock_limited_clients(sorted(counts))
    uses = measure_clients(set(names)) if names else {}
    asked = []
    for client_id in names:
        current = uses.get(client_id, Use())
        asked.append((client_id, current, current + Use(0, load.times(counts[client_id]))))
    refuse_full_clients(table, names, asked)


def lock_limited_clients(client_ids: Sequence[UUID]) -> tuple[LimitTable, dict[UUID, str]]:
    """The limits, and the locked clients' names; none when there is no limit at all."""
    table = read_limits(Quota.Scope.CLIENT)
    if table.is_unlimited or not client_ids:
        return table, {}
    locked = Client.objects.filter(id__in=client_ids).order_by("id").select_for_update(no_key=True)
    return table, dict(locked.values_list("id", "name"))


def check_clients(test: Test, *, becoming: Counter[UUID], had: Counter[UUID], before: Load) -> None:
    """Refuse what those clients would bear: how many runs at once of the test each."""
    table, names = lock_limited_clients(sorted(becoming))
    uses = measure_clients(set(names), except_test=test) if names else {}
    load = estimate_test(test)
    asked = []
    for client_id in names:
        others = uses.get(client_id, Use())
        own = Use(1, before.times(had[client_id])) if client_id in had else Use()
        asked.append((client_id, others + own, others + Use(1, load.times(becoming[client_id]))))
    refuse_full_clients(table, names, asked)


def refuse_full_clients(
    table: LimitTable, names: dict[UUID, str], asked: Iterable[tuple[UUID, Use, Use]]
) -> None:
    """Refuse what breaks the limit of a client: of each what it has and is asked for.

    Raises: Conflict(quota_exceeded) naming the first client by name, and how many there are.
    """
    refused = []
    for client_id, current, becomes in asked:
        excess = find_excess(table.find(client_id), current=current, asked=becomes)
        if excess is not None:
            refused.append((names[client_id], excess))
    if refused:
        refused.sort(key=lambda pair: pair[0])
        name, excess = refused[0]
        raise build_refusal(f"client {name}", excess, field="clients", more=len(refused) - 1)


def build_refusal(whose: str, excess: Excess, *, field: str, more: int = 0) -> Conflict:
    detail = excess.describe(whose)
    if more:
        detail += f"; {more} more {'client' if more == 1 else 'clients'} likewise"
    return Conflict(
        "quota_exceeded",
        detail,
        field=field,
        whose=whose,
        limit=excess.limit,
        allowed=excess.allowed,
        current=excess.current,
        asked=excess.asked,
    )


def find_full_clients(
    test: Test, client_ids: Collection[UUID], *, member_count: int = 1
) -> set[UUID]:
    """Those of the clients that have no room for the test inside their quota.

    In a mesh each of the `member_count` clients measures with all others.
    """
    table = read_limits(Quota.Scope.CLIENT)
    if table.is_unlimited or not client_ids:
        return set()
    uses = measure_clients(client_ids, except_test=test)
    one = Use(1, estimate_test(test).times(count_loads_of_member(test, member_count)))
    return {
        client_id
        for client_id in client_ids
        if find_excess(
            table.find(client_id),
            current=uses.get(client_id, Use()),
            asked=uses.get(client_id, Use()) + one,
        )
    }


def find_user_room(test: Test, *, have: int = 0) -> int | None:
    """How many more clients than `have` the test's maker may have it run on; None for any."""
    if test.created_by_id is None:
        return None
    limits = read_limits(Quota.Scope.USER).find(test.created_by_id)
    if limits.is_unlimited:
        return None
    current = measure_users(test.created_by_id).get(test.created_by_id, Use())
    loads = count_room(limits, current=current, load=estimate_test(test))
    return None if loads is None else count_members_within(test, have=have, loads=loads)


@audited()
def set_quota(
    *, scope: str, user: User | None = None, client: Client | None = None, limits: Limits
) -> Quota:
    """The stored limits of that user or client, or of everybody without own ones.

    Raises: Invalid naming each limit that is out of range.
    """
    check_limits(limits)
    row = Quota.objects.select_for_update().filter(scope=scope, user=user, client=client).first()
    before = describe_quota(row) if row is not None else {}
    quota, _made = Quota.objects.update_or_create(
        scope=scope, user=user, client=client, defaults=asdict(limits)
    )
    action = "change" if before else "create"
    record_audit(action=action, target=quota, before=before, after=describe_quota(quota))
    return quota


def check_limits(limits: Limits) -> None:
    most = {"tests": MOST_TESTS, "packets_per_second": MOST_RATE, "megabits_per_second": MOST_RATE}
    errors = [
        FieldError(name, "out_of_range", f"must be from 0 to {highest:,.0f}, or empty")
        for name, highest in most.items()
        if getattr(limits, name) is not None and not 0 <= getattr(limits, name) <= highest
    ]
    if errors:
        raise Invalid(errors)


@audited()
def remove_quota(*, quota: Quota) -> None:
    """Forget the limits: of a user or client those of everybody count again."""
    record_audit(action="delete", target=quota, before=describe_quota(quota))
    quota.delete()


def describe_quota(quota: Quota) -> dict[str, Any]:
    return {
        "scope": quota.scope,
        "user": quota.user.username if quota.user else None,
        "client": quota.client.name if quota.client else None,
        "tests": quota.tests,
        "packets_per_second": quota.packets_per_second,
        "megabits_per_second": quota.megabits_per_second,
    }
