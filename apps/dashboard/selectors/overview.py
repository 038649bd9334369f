"""The overview: how many are well, who needs attention, what just happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db.models import Count, Min, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.policy import AnyUser
from apps.clients.models import Client
from apps.clients.selectors import list_clients
from apps.dashboard.selectors.clients import ACTIVE, IS_FAILING, IS_PASSING
from apps.tests.models import Assignment
from apps.tests.selectors import list_assignments, list_results

ATTENTION_LENGTH = 8
EVENTS_LENGTH = 9
CLOCK_LIMIT_SECONDS = 1.0
CELLS_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """A client in the honeycomb, in its worst state."""

    url: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Comb:
    """The cells of one site."""

    site: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TestCounts:
    """How the active assignments stand by their newest results."""

    total: int
    passing: int
    failing: int

    @property
    def waiting(self) -> int:
        return self.total - self.passing - self.failing


@dataclass(frozen=True, slots=True)
class Concern:
    """A line of "needs attention"; what follows from it is not listed again."""

    tone: str
    title: str
    detail: str
    since: datetime | None
    url: str


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the live events."""

    at: datetime
    state: str
    title: str
    detail: str
    url: str


def list_active_assignments(user: AnyUser) -> QuerySet[Assignment]:
    return list_assignments(user).select_related(None).order_by().filter(ACTIVE)


def count_tests(user: AnyUser) -> TestCounts:
    return TestCounts(
        **list_active_assignments(user).aggregate(
            total=Count("id"),
            passing=Count("id", filter=IS_PASSING),
            failing=Count("id", filter=IS_FAILING),
        )
    )


def build_combs(user: AnyUser) -> list[Comb]:
    """The clients `user` sees, by site and name; two queries."""
    failing = set(
        list_active_assignments(user).filter(IS_FAILING).values_list("client_id", flat=True)
    )
    rows = (
        list_clients(user)
        .prefetch_related(None)
        .order_by("site__name", "name")
        .values_list("id", "name", "presence", "site__name")[:CELLS_AT_MOST]
    )
    prefix = reverse("dashboard:clients")
    combs = []
    for site, members in groupby(rows, key=lambda row: row[3]):
        cells = tuple(
            Cell(
                url=f"{prefix}{id}/",
                name=name,
                state="failing" if presence == "online" and id in failing else presence,
            )
            for id, name, presence, _site in members
        )
        combs.append(Comb(site or _("Without a site"), cells))
    return combs


def list_concerns(user: AnyUser) -> list[Concern]:
    """What needs attention, worst first: absent clients, failing tests, agents in trouble."""
    found = [*find_absent(user), *find_failing(user), *find_troubled(user)]
    return found[:ATTENTION_LENGTH]


def find_absent(user: AnyUser) -> Iterable[Concern]:
    rows = list_clients(user).prefetch_related(None).defer("inventory")
    absent = rows.filter(presence__in=["offline", "late"]).order_by("-presence", "presence_since")
    for client in absent[:ATTENTION_LENGTH]:
        is_offline = client.presence == Client.Presence.OFFLINE
        yield Concern(
            tone="bad" if is_offline else "warning",
            title=_("%(client)s is offline") % {"client": client.name}
            if is_offline
            else _("%(client)s is late") % {"client": client.name},
            detail=client.site.name if client.site else "",
            since=client.last_heartbeat_at,
            url=reverse("dashboard:client", args=[client.id]),
        )


def find_failing(user: AnyUser) -> Iterable[Concern]:
    """Failing tests, one line each; a test on an absent client is that client's concern."""
    rows = (
        list_active_assignments(user)
        .filter(IS_FAILING, client__presence=Client.Presence.ONLINE)
        .values("test_id", "test__name", "test__target__address")
        .annotate(count=Count("id"), client=Min("client__name"), since=Min("last_run_at"))
        .order_by("-count", "test__name")[:ATTENTION_LENGTH]
    )
    for row in rows:
        where = ngettext("on %(client)s", "on %(count)d clients", row["count"]) % row
        yield Concern(
            tone="bad",
            title=_("%(test)s fails") % {"test": row["test__name"]},
            detail=f"{where} · {row['test__target__address'] or ''}",
            since=row["since"],
            url=reverse("dashboard:test", args=[row["test_id"]]),
        )


def find_troubled(user: AnyUser) -> Iterable[Concern]:
    rows = list_clients(user).prefetch_related(None).defer("inventory").order_by("name")
    wrong_clock = Q(clock_offset_seconds__gt=CLOCK_LIMIT_SECONDS) | Q(
        clock_offset_seconds__lt=-CLOCK_LIMIT_SECONDS
    )
    troubled = rows.filter(presence=Client.Presence.ONLINE).filter(
        wrong_clock | Q(spool_dropped__gt=0)
    )
    for client in troubled[:ATTENTION_LENGTH]:
        is_lossy = client.spool_dropped > 0
        yield Concern(
            tone="warning",
            title=_("%(client)s dropped records") % {"client": client.name}
            if is_lossy
            else _("%(client)s has a wrong clock") % {"client": client.name},
            detail=_("%(count)d records since enrolment") % {"count": client.spool_dropped}
            if is_lossy
            else _("%(offset).1f s off; its times are corrected")
            % {"offset": client.clock_offset_seconds},
            since=None,
            url=reverse("dashboard:client", args=[client.id]),
        )


def list_happenings(user: AnyUser) -> list[Happening]:
    """The newest results and changes of presence, newest first; two queries."""
    found = [*find_results(user), *find_presences(user)]
    return sorted(found, key=lambda item: item.at, reverse=True)[:EVENTS_LENGTH]


def find_results(user: AnyUser) -> Iterable[Happening]:
    rows = list_results(user).defer("document", "values", "absent", "facts")
    for result in rows.order_by("-received_at")[:EVENTS_LENGTH]:
        run = result.run
        state = "unsuccessful" if result.is_success is False else run.state
        yield Happening(
            at=result.received_at,
            state=state,
            title=run.assignment.test.name,
            detail=run.assignment.client.name,
            url=reverse("dashboard:run", args=[run.id]),
        )


def find_presences(user: AnyUser) -> Iterable[Happening]:
    rows = list_clients(user).prefetch_related(None).defer("inventory")
    moved = rows.filter(presence_since__isnull=False).order_by("-presence_since")
    for client in moved[:EVENTS_LENGTH]:
        if client.presence_since is not None:
            yield Happening(
                at=client.presence_since,
                state=client.presence,
                title=client.name,
                detail=client.site.name if client.site else "",
                url=reverse("dashboard:client", args=[client.id]),
            )
