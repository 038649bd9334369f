"""What was found to be wrong, what to do about it, and what was unusual: greatest effect first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.ml import models
from apps.ml.selectors.forecasts import recommend
from apps.reports.sections.base import Draft
from apps.reports.sections.sentences import say_advice
from apps.reports.sections.wording import localise, write_count, write_share, write_span
from apps.reports.sections.words import describe_metric, name_cause
from apps.reports.selectors.facts import Facts

NAMED_AT_MOST = 4
MOST_ADVICE = 12


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, what it costs, and what to do."""

    title: str
    effect: str
    recommendation: str
    where: str
    seconds: float


class Diagnosis:
    title = gettext_lazy("Diagnosis and recommendations")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        facts = draft.facts
        advice = [
            *(weigh_cause(facts, cause, rows) for cause, rows in facts.judgements.by_cause.items()),
        ]
        advice.sort(key=lambda one: (-one.seconds, one.title))
        limits = list_limits(draft)
        unusual = list_unusual(facts)
        if not advice and not limits and not unusual:
            return None
        return {
            "advice": [*advice, *limits][:MOST_ADVICE],
            "unusual": unusual,
            "period": draft.period,
        }


def weigh_cause(facts: Facts, cause: str, rows: Sequence[models.Diagnosis]) -> Advice:
    """A cause with the time of the incidents that it was found in."""
    seconds = 0.0
    for incident in facts.incidents:
        assignment = facts.assignments_by_id[incident.key]
        if any(
            row.client_id == assignment.client_id
            and row.test_id in {None, assignment.test_id}
            and incident.start_at <= row.about_at <= incident.end_at
            for row in rows
        ):
            seconds += incident.seconds
    surest = max(rows, key=lambda row: row.confidence or 0.0)
    recommendation = next(
        (str(one["recommendation"]) for one in surest.verdicts if one["cause"] == cause), ""
    )
    times = ngettext("found once", "found %(count)s times", len(rows)) % {
        "count": write_count(len(rows))
    }
    confidence = _("confidence up to %(share)s") % {"share": write_share(surest.confidence)}
    effect = f"{times}, {confidence}"
    if seconds:
        effect += ", " + _("%(span)s of incidents") % {"span": write_span(seconds)}
    return Advice(name_cause(cause), effect, say_advice(recommendation), name_places(rows), seconds)


def name_places(rows: Sequence[models.Diagnosis]) -> str:
    """Which clients, and tests on them, it was found on."""
    names = sorted(
        {f"{row.test.name} @ {row.client.name}" if row.test else row.client.name for row in rows}
    )
    shown = ", ".join(names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    if more <= 0:
        return shown
    return ngettext("%(names)s and %(more)s more", "%(names)s and %(more)s more", more) % {
        "names": shown,
        "more": write_count(more),
    }


def list_limits(draft: Draft) -> list[Advice]:
    """What to do about limits that are reached or will be; the most urgent first."""
    found = []
    for forecast in draft.facts.judgements.forecasts:
        text = recommend(forecast, draft.now)
        if text:
            name = forecast.source.client.name
            found.append(Advice(_("Limit ahead"), "", text, name, 0.0))
    return found


def list_unusual(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "name": describe_metric(one.metric),
            "findings": write_count(one.findings),
            "clients": write_count(one.clients),
            "score": localise(f"{one.score:.2f}"),
        }
        for one in facts.judgements.unusual
    ]
