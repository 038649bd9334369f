"""Scores of health as the tick leaves them."""

from datetime import timedelta

from apps.core.clock import read_now
from apps.ml.models import HealthChange, HealthScore

WHY = [{"pillar": "performance", "input": "loss", "value": 0.02, "points": 24.3}]


def make_score(*, score=76, before=90, at=None, **fields):
    """A score with two steps of history; of all without an assignment, client or site."""
    now = at or read_now()
    bands = ((80, "healthy"), (60, "warning"), (0, "critical"))
    band = next((name for least, name in bands if score is not None and score >= least), "unknown")
    row = HealthScore.objects.create(
        **{"score": score, "band": band, "computed_at": now, "noted_score": score, **fields}
    )
    for moment, value in ((now - timedelta(hours=30), before), (now - timedelta(hours=1), score)):
        HealthChange.objects.create(subject=row, at=moment, score=value)
    return row
