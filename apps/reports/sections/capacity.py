"""What fills, how fast, and when it will be full."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.ml.models import Forecast
from apps.ml.selectors.forecasts import count_days, describe_days, recommend
from apps.reports.sections.base import Draft
from apps.reports.sections.figures import Figure
from apps.reports.sections.outlooks import draw_outlook
from apps.reports.sections.wording import write_change, write_count, write_rest, write_share

MOST_ROWS = 40
MOST_FIGURES = 3
SOON = timedelta(days=60)
NAMES = {
    "filesystem": gettext_lazy("Disk %(subject)s"),
    "host": gettext_lazy("Memory"),
    "interface": gettext_lazy("Link %(subject)s"),
}
FULL = (Forecast.Verdict.REACHED, Forecast.Verdict.GROWING)


class Capacity:
    title = gettext_lazy("Capacity")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        forecasts = draft.facts.judgements.forecasts
        if not forecasts:
            return None
        judged = [one for one in forecasts if one.verdict]
        shown = judged[:MOST_ROWS]
        return {
            "rows": [describe_row(draft, one) for one in shown],
            "left_out": write_rest(len(judged) - len(shown)),
            "learning": write_rest(len(forecasts) - len(judged)),
            "verdict": write_verdict(draft, judged),
            "figures": draw_near(draft, judged),
        }


def draw_near(draft: Draft, judged: Sequence[Forecast]) -> list[Figure]:
    """What is reached or will be soon, the most urgent first."""
    near = [one for one in judged if choose_tone(draft, one) != "good"]
    drawn = [
        draw_outlook(draft, one, f"{one.source.client.name}: {name_watched(one)}")
        for one in near[:MOST_FIGURES]
    ]
    return [one for one in drawn if one is not None]


def name_watched(forecast: Forecast) -> str:
    return NAMES.get(forecast.source.kind, forecast.metric) % {"subject": forecast.source.subject}


def write_verdict(draft: Draft, judged: Sequence[Forecast]) -> str:
    """How many limits are reached or near, in one sentence."""
    reached = sum(1 for one in judged if one.verdict == Forecast.Verdict.REACHED)
    near = sum(
        1
        for one in judged
        if one.verdict == Forecast.Verdict.GROWING
        and one.full_at is not None
        and one.full_at <= draft.now + SOON
    )
    if not judged:
        return _("What is known is not enough yet to say when anything will be full.")
    if not reached and not near:
        text = ngettext(
            "The one limit that is watched will not be reached within 60 days.",
            "None of the %(count)s limits that are watched will be reached within 60 days.",
            len(judged),
        )
    elif not reached:
        text = ngettext(
            "%(near)s of %(count)s limits will be reached within 60 days.",
            "%(near)s of %(count)s limits will be reached within 60 days.",
            near,
        )
    elif not near:
        text = ngettext(
            "%(reached)s of %(count)s limits is reached; no more will be within 60 days.",
            "%(reached)s of %(count)s limits are reached; no more will be within 60 days.",
            reached,
        )
    else:
        text = ngettext(
            "%(reached)s of %(count)s limits is reached, and %(near)s more will be within 60 days.",
            "%(reached)s of %(count)s limits are reached, and %(near)s more will be within 60 "
            "days.",
            reached,
        )
    counts = {"reached": reached, "near": near, "count": len(judged)}
    return text % {name: write_count(count) for name, count in counts.items()}


def describe_row(draft: Draft, forecast: Forecast) -> dict[str, Any]:
    growth = forecast.growth or 0.0
    return {
        "client": forecast.source.client.name,
        "name": name_watched(forecast),
        "level": write_share(forecast.level),
        "growth": _("%(points)s points a day")
        % {"points": write_change(growth * 100 + 0.0, ".2f")},
        "limit": write_share(forecast.limit),
        "when": write_when(draft, forecast),
        "tone": choose_tone(draft, forecast),
        "advice": recommend(forecast, draft.now),
    }


def write_when(draft: Draft, forecast: Forecast) -> str:
    if forecast.verdict == Forecast.Verdict.GROWING and forecast.full_at is not None:
        return _("in %(days)s") % {"days": describe_days(forecast, draft.now)}
    return str(forecast.get_verdict_display())


def choose_tone(draft: Draft, forecast: Forecast) -> str:
    if forecast.verdict == Forecast.Verdict.REACHED:
        return "bad"
    days = count_days(forecast.full_at, draft.now)
    is_near = forecast.verdict in FULL and days is not None and days <= SOON.days
    return "warning" if is_near else "good"
