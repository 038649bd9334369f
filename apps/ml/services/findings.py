"""Storing judgements."""

from collections.abc import Sequence

from django.db import transaction

from apps.core.bus import publish
from apps.ml.models import Finding
from apps.ml.published import FindingRaised


@transaction.atomic
def raise_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Those of the findings that are new, stored; each is told to the rooms above after the commit.

    One of the same kind, stream, metric and start exists once: raising it again changes nothing.
    """
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
