"""Storing judgements, and forgetting them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, QuerySet

from apps.configuration.selectors import read_whole
from apps.core.bus import publish
from apps.ml.algorithms.grouping import LONGEST_PAUSE, LONGEST_SPAN, Group, Moment, assign_groups
from apps.ml.models import Diagnosis, Feedback, Finding
from apps.ml.published import FindingRaised

FORGOTTEN_AT_ONCE = 2000
# What people said is what later models learn from; of findings long gone it says nothing new.
SPOKEN_KEPT_TIMES = 2


@transaction.atomic
def raise_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Those of the findings that are new, stored; each is told to the rooms above after the commit.

    One of the same kind, stream, metric and start exists once: raising it again changes nothing.
    Those about one client at about one time get a group in common.
    """
    if not findings:
        return []
    group(findings)
    Finding.objects.bulk_create(findings, ignore_conflicts=True)
    stored = Finding.objects.filter(id__in=[finding.id for finding in findings])
    ids = set(stored.values_list("id", flat=True))
    new = [finding for finding in findings if finding.id in ids]
    for finding in new:
        publish(
            FindingRaised(
                finding_id=finding.id,
                client_id=finding.client_id,
                kind=finding.kind,
                severity=finding.severity,
            )
        )
    return new


def group(findings: Sequence[Finding]) -> None:
    """Say of each, not stored yet, to which it belongs."""
    moments = [Moment(one.id, one.client_id, one.started_at) for one in findings]
    first = min(moment.at for moment in moments) - LONGEST_SPAN - LONGEST_PAUSE
    last = max(moment.at for moment in moments) + LONGEST_SPAN + LONGEST_PAUSE
    near = Finding.objects.filter(
        client_id__in={moment.client_id for moment in moments},
        started_at__gte=first,
        started_at__lte=last,
    ).exclude(group_id=None)
    rows = near.order_by().values_list("group_id", "client_id")
    spans = rows.annotate(first_at=Min("started_at"), last_at=Max("started_at"))
    known = [Group(*row) for row in spans]
    chosen: dict[UUID, UUID] = assign_groups(moments, known)
    for one in findings:
        one.group_id = chosen[one.id]


def forget_findings(now: datetime) -> int:
    """How many findings and diagnoses older than their setting says were forgotten; some a call.

    Those that somebody said something about are kept twice as long.
    """
    kept = timedelta(days=read_whole("finding_retention_days"))
    spoken = Feedback.objects.filter(finding=OuterRef("pk"))
    forgotten = 0
    for until, is_spoken in ((now - kept, False), (now - SPOKEN_KEPT_TIMES * kept, True)):
        old = Finding.objects.filter(Exists(spoken) if is_spoken else ~Exists(spoken))
        forgotten += forget_some(old.filter(ended_at__lt=until))
        silent = Feedback.objects.filter(diagnosis=OuterRef("pk"))
        asked = Diagnosis.objects.filter(Exists(silent) if is_spoken else ~Exists(silent))
        # One with a finding that is kept stays with it.
        forgotten += forget_some(asked.filter(asked_at__lt=until, finding=None))
    return forgotten


@transaction.atomic
def forget_some(rows: QuerySet[Finding] | QuerySet[Diagnosis]) -> int:
    ids = list(rows.order_by().values_list("id", flat=True)[:FORGOTTEN_AT_ONCE])
    rows.model._default_manager.filter(id__in=ids).delete()  # noqa: SLF001 - documented API
    return len(ids)
