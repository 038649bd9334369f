"""What was found to be unusual or wrong, as its pages show it (`findings` reads out results)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.accounts.policy import AnyUser
from apps.clients.selectors import list_clients
from apps.core.clock import read_now
from apps.dashboard.formats import find_style, format_quantity
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Feedback, Finding
from apps.ml.selectors.feedback import FalseRate
from apps.ml.selectors.finding_sentences import (
    CHANNEL_NAMES,
    describe_finding,
    name_cause,
    name_metric,
)
from apps.ml.selectors.findings import FindingGroup, list_findings
from apps.ml.selectors.joint_sentences import describe_contribution
from apps.ml.selectors.sentences import name_lag, name_span
from apps.tests.models import Run
from apps.tests.selectors import list_tests

PERCENT = 100
LATEST_SHOWN = 3
LATEST_SPAN = timedelta(days=7)
KIND_NAMES: Mapping[str, str | Promise] = {
    Finding.Kind.SERIES_ANOMALY: gettext_lazy("One metric"),
    Finding.Kind.JOINT_ANOMALY: gettext_lazy("Whole result"),
    Finding.Kind.DIAGNOSIS: gettext_lazy("Diagnosis"),
}


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding with its one sentence; `said` is what people said of it, in short."""

    row: Finding
    sentence: str
    kind: str
    url: str
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A line of the list: its gravest finding, the others of it, and how many are not shown."""

    group: FindingGroup
    first: ShownFinding
    others: tuple[ShownFinding, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the evidence: what it is, how much, and what is usual; the share is of 100."""

    name: str
    value: str
    usual: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What people said of a finding or a diagnosis, and whoever asks among them."""

    counts: tuple[tuple[str, int], ...]
    words: tuple[Feedback, ...]
    own: Feedback | None


@dataclass(frozen=True, slots=True)
class ShownRate:
    name: str
    share_percent: int
    text: str


def show_finding(row: Finding, words: Sequence[Feedback] = ()) -> ShownFinding:
    return ShownFinding(
        row=row,
        sentence=describe_finding(row),
        kind=str(KIND_NAMES.get(row.kind, row.kind)),
        url=reverse("dashboard:finding", args=[row.id]),
        said=tuple(
            f"{text} ({count})" if count > 1 else text for text, count in count_words(words)
        ),
    )


def show_groups(groups: Sequence[FindingGroup]) -> list[ShownGroup]:
    """The groups with what people said of the findings shown; one query."""
    words = read_words(row.id for group in groups for row in group.findings)
    shown = []
    for group in groups:
        first, *others = [show_finding(row, words.get(row.id, ())) for row in group.findings]
        text = ngettext("%(count)d finding", "%(count)d findings at one time", group.count)
        shown.append(ShownGroup(group, first, tuple(others), text % {"count": group.count}))
    return shown


def read_words(finding_ids: Iterable[UUID]) -> dict[UUID, list[Feedback]]:
    rows = Feedback.objects.filter(finding_id__in=list(finding_ids)).order_by("said_at", "id")
    words: dict[UUID, list[Feedback]] = {}
    for row in rows:
        if row.finding_id is not None:
            words.setdefault(row.finding_id, []).append(row)
    return words


def write_word(word: Feedback) -> str:
    """What somebody said, in short: "It was a problem", "It was DNS is slow"."""
    if word.cause:
        return _("It was: %(cause)s") % {"cause": name_cause(word.cause)}
    return word.get_verdict_display()


def count_words(words: Sequence[Feedback]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(write_word(word) for word in words).most_common())


def describe_opinion(words: Iterable[Feedback], user: AnyUser) -> Opinion:
    """What the words say, newest first."""
    rows = tuple(words)
    own = next((row for row in rows if row.said_by_id == user.pk), None)
    return Opinion(count_words(rows), rows, own)


def list_latest(
    user: AnyUser, *, until: datetime | None = None, **about: Any
) -> list[ShownFinding]:
    """The newest findings of the last week about a client, a test or a run; two queries."""
    end = until or read_now()
    rows = list_findings(user).filter(
        started_at__gte=end - LATEST_SPAN, started_at__lte=end, **about
    )
    return describe_rows(rows[:LATEST_SHOWN])


def describe_rows(rows: Iterable[Finding]) -> list[ShownFinding]:
    """The findings with what people said of them; one query more."""
    found = list(rows)
    words = read_words(row.id for row in found)
    return [show_finding(row, words.get(row.id, ())) for row in found]


def list_of_run(user: AnyUser, run: Run) -> list[ShownFinding]:
    """What was found about a run, or about its stream while it went on."""
    begin, end = run.started_at or run.start_at, run.finished_at or run.end_at
    source = run.assignment.source_id
    within = Q(source_id=source, started_at__lte=end, ended_at__gte=begin)
    rows = list_findings(user).filter(Q(run=run) | within if source else Q(run=run))
    return describe_rows(rows[:LATEST_SHOWN])


def describe_figures(finding: Finding) -> list[Figure]:
    """The evidence of something unusual; a diagnosis shows its own."""
    if finding.kind == Finding.Kind.SERIES_ANOMALY:
        return describe_series_figures(finding)
    contributions = finding.evidence.get("contributions") or ()
    return [
        Figure(
            name=describe_contribution(one),
            value=_("%(points).0f points of 100") % {"points": one["points"]},
            share=max(0.0, min(float(PERCENT), one["points"])),
        )
        for one in contributions
    ]


def describe_series_figures(finding: Finding) -> list[Figure]:
    """The value, how far beyond the usual it is, and what it was compared with."""
    evidence = finding.evidence
    figures = [Figure(_("Found by"), name_cause(finding.cause))]
    if evidence.get("value") is not None:
        style = find_style(finding.metric)
        value = format_quantity(float(evidence["value"]), style)
        figures.insert(0, Figure(name_metric(finding.metric), value))
    if finding.score is not None:
        threshold = evidence.get("threshold", 1)
        usual = _("unusual from %(threshold).2f on") % {"threshold": threshold}
        figures.append(Figure(_("Score"), f"{finding.score:.2f}", usual))
    for name, title, write in (
        ("window_seconds", _("Looked at as a whole"), name_span),
        ("span_seconds", _("Compared with the last"), name_span),
        ("lag_seconds", _("Compared with"), write_lag),
    ):
        if evidence.get(name):
            figures.append(Figure(title, write(float(evidence[name]))))
    return figures


def write_lag(seconds: float) -> str:
    return _("%(lag)s before") % {"lag": name_lag(seconds)}


def list_shown_causes() -> list[tuple[str, str]]:
    """The channels and classes that the list can be narrowed to."""
    channels = [(name, str(title)) for name, title in CHANNEL_NAMES.items()]
    return [*channels, *((name, judge.title) for name, judge in JUDGES.items())]


def show_rates(rates: Sequence[FalseRate]) -> list[ShownRate]:
    """How often each sort of finding was wrong, by what people said of the listed ones."""
    return [show_rate(rate) for rate in rates]


def show_rate(rate: FalseRate) -> ShownRate:
    share = rate.share
    kind = str(KIND_NAMES.get(rate.kind, rate.kind))
    name = f"{kind}: {name_cause(rate.cause)}" if rate.cause else kind
    text = _("%(hits)d of %(count)d were wrong, so probably %(low).0f to %(high).0f %%")
    figures = {
        "hits": share.hits,
        "count": share.count,
        "low": PERCENT * (share.low or 0),
        "high": PERCENT * (share.high or 0),
    }
    return ShownRate(name, round(PERCENT * (share.value or 0)), text % figures)


def name_subjects(user: AnyUser, client_id: UUID | None, test_id: UUID | None) -> list[str]:
    """The client and the test that the list is narrowed to, as far as `user` sees them."""
    names: list[str] = []
    if client_id is not None:
        names += list_clients(user).filter(id=client_id).values_list("name", flat=True)
    if test_id is not None:
        names += list_tests(user).filter(id=test_id).values_list("name", flat=True)
    return names
