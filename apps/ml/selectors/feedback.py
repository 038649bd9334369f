"""What people said of findings: labels to learn from, and how often a detector was wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.ml.algorithms.shares import Share, estimate_share
from apps.ml.models import Diagnosis, Feedback, Finding

Verdict = Feedback.Verdict
# A cause that was not the one is an error of a diagnosis; what was unusual stays so.
IS_FALSE = Q(verdict=Verdict.NOT_A_PROBLEM) | Q(verdict=Verdict.OTHER_CAUSE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What people hold for true: `agreeing` of the `said` newest words of as many users.

    `cause` is the class of problems that they named, empty when nobody did.
    """

    verdict: str
    cause: str
    agreeing: int
    said: int
    said_at: datetime

    @property
    def is_problem(self) -> bool:
        return self.verdict != Verdict.NOT_A_PROBLEM


@dataclass(frozen=True, slots=True)
class Label:
    """What a finding, or a diagnosis without one, really was; `found` is what the detector named.

    That is the channel of an unusual series, empty for a result, the cause of a diagnosis.
    """

    kind: str
    finding_id: UUID | None
    diagnosis_id: UUID | None
    client_id: UUID
    test_id: UUID | None
    source_id: int | None
    run_id: UUID | None
    metric: str
    found: str
    started_at: datetime
    ended_at: datetime
    opinion: Opinion


def list_words(judged: Finding | Diagnosis) -> QuerySet[Feedback]:
    """Each user's newest word about a finding or a diagnosis, newest first."""
    rows = Feedback.objects.select_related("said_by").order_by("-said_at", "-id")
    if isinstance(judged, Finding):
        return rows.filter(finding=judged)
    if judged.finding_id is not None:
        return rows.filter(finding=judged.finding_id)
    return rows.filter(diagnosis=judged)


def list_labels(kind: str, since: datetime | None = None) -> list[Label]:
    """What people said of findings of a kind, one label each, by the start of the finding.

    `since` leaves out findings that began before it (of a diagnosis: that are about a time before).
    Diagnoses that named no cause are among those of the kind `diagnosis`.
    """
    rows = Feedback.objects.filter(finding__kind=kind).select_related("finding")
    if since is not None:
        rows = rows.filter(finding__started_at__gte=since)
    words = list(rows.order_by("said_at", "id"))
    if kind == Finding.Kind.DIAGNOSIS:
        words += list_words_on_silence(since)
    groups: dict[tuple[UUID | None, UUID | None], list[Feedback]] = defaultdict(list)
    for word in words:
        groups[word.finding_id, word.diagnosis_id].append(word)
    labels = [make_label(group) for group in groups.values()]
    return sorted(labels, key=lambda label: label.started_at)


def list_words_on_silence(since: datetime | None) -> list[Feedback]:
    """Those about diagnoses that named no cause."""
    rows = Feedback.objects.filter(finding=None).select_related("diagnosis__run__assignment")
    if since is not None:
        rows = rows.filter(diagnosis__about_at__gte=since)
    return list(rows.order_by("said_at", "id"))


def make_label(words: Sequence[Feedback]) -> Label:
    """The label that the words about one thing make, oldest word first."""
    opinion = form_opinion(words)
    finding, diagnosis = words[-1].finding, words[-1].diagnosis
    if finding is not None:
        return Label(
            kind=finding.kind,
            finding_id=finding.id,
            diagnosis_id=None,
            client_id=finding.client_id,
            test_id=finding.test_id,
            source_id=finding.source_id,
            run_id=finding.run_id,
            metric=finding.metric,
            found=finding.cause,
            started_at=finding.started_at,
            ended_at=finding.ended_at,
            opinion=opinion,
        )
    if diagnosis is None:
        raise ValueError("a word about nothing")
    return Label(
        kind=Finding.Kind.DIAGNOSIS,
        finding_id=None,
        diagnosis_id=diagnosis.id,
        client_id=diagnosis.client_id,
        test_id=diagnosis.test_id,
        source_id=diagnosis.run.assignment.source_id if diagnosis.run is not None else None,
        run_id=diagnosis.run_id,
        metric="",
        found="",
        started_at=diagnosis.about_at,
        ended_at=diagnosis.about_at,
        opinion=opinion,
    )


def form_opinion(words: Sequence[Feedback]) -> Opinion:
    """What most of the words say, oldest word first; at a tie what the newest of them says."""
    counts = Counter(name_word(word) for word in words)
    newest = {name_word(word): place for place, word in enumerate(words)}
    (verdict, cause), agreeing = max(counts.items(), key=lambda one: (one[1], newest[one[0]]))
    return Opinion(verdict, cause, agreeing, said=len(words), said_at=words[-1].said_at)


def name_word(word: Feedback) -> tuple[str, str]:
    """Confirming a diagnosis names its cause without saying it."""
    finding = word.finding
    is_right = word.verdict == Verdict.CONFIRMED and not word.cause
    if is_right and finding is not None and finding.kind == Finding.Kind.DIAGNOSIS:
        return word.verdict, finding.cause
    return word.verdict, word.cause


@dataclass(frozen=True, slots=True)
class FalseRate:
    """Of what people said about findings of a kind and channel, how much was "wrong"."""

    kind: str
    cause: str
    share: Share


def measure_false_share(
    kinds: Iterable[str],
    *,
    cause: str = "",
    client_id: UUID | None = None,
    test_id: UUID | None = None,
    since: datetime | None = None,
) -> Share:
    """How many of the words about such findings said that they were wrong.

    `since` counts words from then on; empty arguments narrow nothing. One query.
    """
    rows = Feedback.objects.filter(finding__kind__in=list(kinds))
    wanted = {
        "finding__cause": cause,
        "finding__client_id": client_id,
        "finding__test_id": test_id,
        "said_at__gte": since,
    }
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    counts = rows.aggregate(said=Count("id"), false=Count("id", filter=IS_FALSE))
    return estimate_share(counts["false"], counts["said"])


def list_false_rates(findings: QuerySet[Finding]) -> list[FalseRate]:
    """For each kind and channel among the findings that somebody spoke about; one query."""
    rows = Feedback.objects.filter(finding__in=findings.order_by())
    counted = (
        rows.order_by("finding__kind", "finding__cause")
        .values_list("finding__kind", "finding__cause")
        .annotate(said=Count("id"), false=Count("id", filter=IS_FALSE))
    )
    return [
        FalseRate(kind, cause, estimate_share(false, said)) for kind, cause, said, false in counted
    ]
