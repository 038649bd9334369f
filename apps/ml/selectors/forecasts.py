"""Forecasts as somebody may see them, and what to do about them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from django.db.models import Case, F, IntegerField, QuerySet, Value, When
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import AnyUser, Permission, find_scope, narrow
from apps.clients.selectors import build_client_filter
from apps.core.errors import NotFound
from apps.ml.models import Forecast

PERCENT = 100
URGENCY = (
    Forecast.Verdict.REACHED,
    Forecast.Verdict.GROWING,
    Forecast.Verdict.BEYOND,
    Forecast.Verdict.NOT_GROWING,
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a limit is spoken of: what fills, that it is full, that it will be, and the remedy."""

    thing: str | Promise
    reached: str | Promise
    coming: str | Promise
    remedy: str | Promise


WORDINGS: Mapping[str, Wording] = MappingProxyType(
    {
        "system.filesystem.utilization": Wording(
            _("Disk %(subject)s on %(client)s"),
            _("%(thing)s is full."),
            _("%(thing)s is full in %(days)s."),
            _("Free space, move data away or enlarge it."),
        ),
        "system.memory.utilization": Wording(
            _("Memory of %(client)s"),
            _("%(thing)s is above %(limit)s."),
            _("%(thing)s is above %(limit)s in %(days)s."),
            _("Look for a program that keeps growing, or add memory."),
        ),
        "system.network.link.utilization": Wording(
            _("Link %(subject)s of %(client)s"),
            _("%(thing)s is above %(limit)s of its speed in busy hours."),
            _("%(thing)s is above %(limit)s of its speed in busy hours in %(days)s."),
            _("Move what loads it to other hours, shape it, or take a faster link."),
        ),
    }
)


def list_forecasts(user: AnyUser) -> QuerySet[Forecast]:
    """The forecasts of clients that `user` may see, the most urgent limit first."""
    rows = Forecast.objects.filter(source__client__deleted_at=None).select_related(
        "source__client", "source__assignment__test"
    )
    urgency = Case(
        *(When(verdict=verdict, then=Value(place)) for place, verdict in enumerate(URGENCY)),
        When(limit=None, then=Value(len(URGENCY) + 1)),
        default=Value(len(URGENCY)),
        output_field=IntegerField(),
    )
    mine = narrow(
        rows,
        find_scope(user, Permission.VIEW),
        build_filter=lambda place: build_client_filter(place, path="source__client__"),
    )
    return mine.annotate(urgency=urgency).order_by(
        "urgency", F("full_at").asc(nulls_last=True), F("level").desc(nulls_last=True), "id"
    )


def get_forecast(user: AnyUser, forecast_id: UUID) -> Forecast:
    """One forecast.

    Raises: NotFound when there is none, or none that `user` may see.
    """
    row = list_forecasts(user).filter(id=forecast_id).first()
    if row is None:
        raise NotFound("forecast_unknown", "There is no such forecast.")
    return row


def find_forecasts(columns: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Forecast]:
    """The forecasts of those sources and metrics, which the caller may see; one query."""
    wanted = set(columns)
    rows = Forecast.objects.filter(
        source_id__in={source_id for source_id, _metric in wanted},
        metric__in={metric for _source_id, metric in wanted},
    )
    found = {(row.source_id, row.metric): row for row in rows}
    return {name: row for name, row in found.items() if name in wanted}


def recommend(forecast: Forecast, now: datetime) -> str:
    """What to do about a limit, in sentences; empty where nothing is to be done."""
    wording = WORDINGS.get(forecast.metric)
    if wording is None or forecast.verdict not in URGENCY[:2]:
        return ""
    names = {"subject": forecast.source.subject, "client": forecast.source.client.name}
    words = {
        "thing": str(wording.thing) % names,
        "limit": write_share(forecast.limit or 0.0),
        "days": describe_days(forecast, now),
    }
    if forecast.verdict == Forecast.Verdict.REACHED:
        return f"{str(wording.reached) % words} {wording.remedy}"
    return f"{str(wording.coming) % words} {describe_growth(forecast)} {wording.remedy}"


def describe_growth(forecast: Forecast) -> str:
    """How fast, and from what that is known."""
    return ngettext(
        "It grew by %(growth)s percentage points a day in the last %(days)s day.",
        "It grew by %(growth)s percentage points a day in the last %(days)s days.",
        forecast.used_days or 0,
    ) % {
        "growth": number_format(f"{(forecast.growth or 0.0) * PERCENT:.2f}"),
        "days": forecast.used_days,
    }


def describe_days(forecast: Forecast, now: datetime) -> str:
    """The days left with their range: "34 days (27 to 48)"."""
    counts = [
        count_days(moment, now)
        for moment in (forecast.full_at, forecast.full_soonest_at, forecast.full_latest_at)
    ]
    expected, soonest, latest = (0 if count is None else count for count in counts)
    days = ngettext("%(days)s day", "%(days)s days", expected) % {"days": expected}
    if soonest == latest:
        return days
    words = {"days": days, "soonest": soonest, "latest": latest}
    return gettext("%(days)s (%(soonest)s to %(latest)s)") % words


def count_days(moment: datetime | None, now: datetime) -> int | None:
    """Whole days until then, rounded down; 0 when it has passed, None without a moment."""
    return None if moment is None else max(math.floor((moment - now) / timedelta(days=1)), 0)


def write_share(ratio: float) -> str:
    return number_format(f"{ratio * PERCENT:.4g}") + "\N{NO-BREAK SPACE}%"
