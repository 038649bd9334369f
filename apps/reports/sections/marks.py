"""Incidents as charts mark them."""

from collections.abc import Collection
from uuid import UUID

from apps.reports.algorithms.charts import Mark
from apps.reports.sections.base import Draft


def list_marks(draft: Draft, assignment_ids: Collection[UUID]) -> list[Mark]:
    """The numbered incidents of those assignments."""
    return [
        Mark(incident.start_at.timestamp(), incident.end_at.timestamp(), number)
        for number, incident in draft.numbered
        if incident.key in assignment_ids
    ]
