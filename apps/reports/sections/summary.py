"""The first page: the verdict in a sentence, the gauge, four figures, the worst five."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.reports.algorithms.charts import draw_gauge
from apps.reports.sections.base import Draft, name_assignment
from apps.reports.sections.figures import Figure
from apps.reports.sections.wording import (
    localise,
    write_availability,
    write_change,
    write_count,
    write_seconds,
    write_share,
    write_span,
)
from apps.reports.sections.words import name_kind
from apps.reports.selectors.facts.gathering import Account, Facts
from apps.reports.selectors.facts.judgements import read_health

PERCENT = 100
WORST_LENGTH = 5
FIGURES_LENGTH = 4
HEALTHY_SCORE, WARNING_SCORE = 80, 60
# What rounds to nothing is no change.
LEAST_POINTS, LEAST_SHARE = 0.0005, 0.005


@dataclass(frozen=True, slots=True)
class Change:
    """Against the period before: the words, and whether that is good, bad or neither."""

    text: str
    tone: str = "idle"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    title: str
    value: str
    change: Change


@dataclass(frozen=True, slots=True)
class Worst:
    """A line of what went worst."""

    name: str
    availability: str
    goal: str
    down: str
    incidents: str


class Summary:
    title = gettext_lazy("Summary")

    def build(self, draft: Draft) -> Mapping[str, Any] | None:
        facts = draft.facts
        if not facts.accounts:
            return None
        return {
            "verdict": write_verdict(facts),
            "gauge": build_gauge(facts),
            "figures": list_figures(facts)[:FIGURES_LENGTH],
            "worst": list_worst(facts.accounts),
        }


def write_verdict(facts: Facts) -> str:
    """One sentence for who reads no further."""
    judged = [one for one in facts.accounts if one.is_met is not None]
    if not judged:
        return _("Nothing was measured in this period, so nothing can be said about it.")
    missed = sum(1 for one in judged if not one.is_met)
    words = {
        "availability": write_availability(facts.total.availability),
        "missed": write_count(missed),
        "count": write_count(len(judged)),
        "incidents": write_incidents(facts),
    }
    if not missed:
        text = ngettext(
            "The one test reached its goal: %(availability)s of the measured time was good, "
            "%(incidents)s.",
            "All %(count)s tests reached their goal: %(availability)s of the measured time was "
            "good, %(incidents)s.",
            len(judged),
        )
        return text % words
    text = ngettext(
        "%(missed)s of %(count)s tests missed its goal: %(availability)s of the measured time was "
        "good, %(incidents)s.",
        "%(missed)s of %(count)s tests missed their goal: %(availability)s of the measured time "
        "was good, %(incidents)s.",
        missed,
    )
    return text % words


def write_incidents(facts: Facts) -> str:
    """How many there were, and the longest of them, as the end of a sentence."""
    count = len(facts.incidents)
    if not count:
        return _("with no incident")
    longest = max(facts.incidents, key=lambda one: one.seconds)
    name = name_assignment(facts.assignments_by_id[longest.key])
    return ngettext(
        "with %(count)s incident of %(span)s (%(name)s)",
        "with %(count)s incidents, the longest of %(span)s (%(name)s)",
        count,
    ) % {"count": write_count(count), "span": write_span(longest.seconds), "name": name}


def build_gauge(facts: Facts) -> Figure | None:
    """The mean health score of the period, and how it was before."""
    question = facts.question
    is_everything = question.selector.is_everything and not question.test_ids
    ids = [client.id for client in facts.clients]
    score = read_health(question.user, ids, question.span, is_everything=is_everything)
    if score is None or question.test_ids:
        return None
    before = read_health(question.user, ids, question.previous, is_everything=is_everything)
    word = name_band(score)
    text = _("no earlier score")
    if before is not None:
        text = _("%(before)s in the period before") % {"before": localise(f"{before:.0f}")}
    return Figure(
        title=_("Health"),
        caption=_("Mean health score of the period, 0 to 100; %(before)s.") % {"before": text},
        alt=_("Gauge: health %(score)s of 100, %(word)s.")
        % {"score": localise(f"{score:.0f}"), "word": word},
        svg=draw_gauge(score, word),
    )


def name_band(score: float) -> str:
    if score >= HEALTHY_SCORE:
        return _("healthy")
    return _("warning") if score >= WARNING_SCORE else _("critical")


def list_figures(facts: Facts) -> list[KeyFigure]:
    """The figures that there is something to say of, the weightiest first."""
    figures = [show_availability(facts), show_incidents(facts), show_latency(facts)]
    figures += [show_loss(facts), show_coverage(facts)]
    return [one for one in figures if one is not None]


def show_availability(facts: Facts) -> KeyFigure | None:
    now = facts.total.availability
    if now is None:
        return None
    before = facts.previous_total.availability if facts.has_previous else None
    return KeyFigure(_("Availability"), write_availability(now), compare_points(now, before))


def show_incidents(facts: Facts) -> KeyFigure:
    count = len(facts.incidents)
    if not facts.has_previous:
        return KeyFigure(_("Incidents"), write_count(count), Change(_("no earlier data")))
    before = len(facts.previous_incidents)
    if count == before:
        return KeyFigure(_("Incidents"), write_count(count), Change(_("as many as before")))
    tone = "bad" if count > before else "good"
    text = _("%(change)s against %(before)s before") % {
        "change": write_change(count - before, "d"),
        "before": write_count(before),
    }
    return KeyFigure(_("Incidents"), write_count(count), Change(text, tone))


def show_latency(facts: Facts) -> KeyFigure | None:
    """The median of the commonest kind's tests; the change is the median of each test's own."""
    kind = facts.latency_kind
    own = {
        id: mean
        for id, mean in facts.latency_means.items()
        if facts.assignments_by_id[id].test.kind == kind
    }
    if not own:
        return None
    title = _("Latency (%(kind)s)") % {"kind": name_kind(kind)}
    before = facts.previous_latency_means if facts.has_previous else {}
    changes = [mean / before[id] - 1 for id, mean in own.items() if before.get(id)]
    change = compare_share(median(changes)) if changes else Change(_("no earlier data"))
    return KeyFigure(title, write_seconds(median(own.values())), change)


def show_loss(facts: Facts) -> KeyFigure | None:
    now = facts.read_assignment_means("loss")
    if not now:
        return None
    before = facts.read_assignment_means("loss", is_previous=True) if facts.has_previous else {}
    mean = sum(now.values()) / len(now)
    earlier = sum(before.values()) / len(before) if before else None
    change = compare_points(mean, earlier, is_more_better=False)
    return KeyFigure(_("Packet loss"), write_share(mean), change)


def show_coverage(facts: Facts) -> KeyFigure | None:
    now = facts.total.coverage
    if now is None:
        return None
    before = facts.previous_total.coverage if facts.has_previous else None
    return KeyFigure(_("Measured"), write_share(now), compare_points(now, before))


def compare_points(now: float, before: float | None, *, is_more_better: bool = True) -> Change:
    """In percentage points."""
    if before is None:
        return Change(_("no earlier data"))
    points = (now - before) * PERCENT
    if abs(points) < LEAST_POINTS:
        return Change(_("unchanged"))
    text = _("%(points)s points against before") % {"points": write_change(points, ".3g")}
    return Change(text, "good" if (points > 0) == is_more_better else "bad")


def compare_share(share: float) -> Change:
    """Of what is better the smaller it is."""
    if abs(share) < LEAST_SHARE:
        return Change(_("unchanged"))
    text = _("%(percent)s %% against before") % {"percent": write_change(share * PERCENT, ".1f")}
    return Change(text, "bad" if share > 0 else "good")


def list_worst(accounts: Sequence[Account]) -> list[Worst]:
    """Those with the most bad time; none that was always good."""
    bad = [one for one in accounts if one.tally.bad]
    ranked = sorted(bad, key=lambda one: (one.tally.availability or 0.0, -one.down_seconds))
    return [
        Worst(
            name=name_assignment(one.assignment),
            availability=write_availability(one.tally.availability),
            goal=write_availability(one.goal_ratio),
            down=write_span(one.down_seconds),
            incidents=write_count(len(one.incidents)),
        )
        for one in ranked[:WORST_LENGTH]
    ]
