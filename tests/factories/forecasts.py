"""Hours of history and the forecasts made of them."""

from datetime import timedelta

from apps.core.clock import read_now
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.metrics.models import Latest, Source
from apps.metrics.services import hash_layout, know_layout
from apps.metrics.writers import RollupRow, insert_rollups
from apps.ml.models import Forecast

DISK = "system.filesystem.utilization"
MEMORY = "system.memory.utilization"
LINK = "system.network.link.utilization"


def add_hours(client, values, *, kind="filesystem", subject="/var", key=DISK, newest=None):
    """The source with a kept hour for each value (None: nothing measured), the last one newest."""
    layout = know_layout(hash_layout([key]), [key])
    source, _is_new = Source.objects.get_or_create(client=client, kind=kind, subject=subject)
    last = newest or floor_moment(read_now(), HOUR_SECONDS) - timedelta(hours=1)
    moments = [last - timedelta(hours=len(values) - 1 - place) for place in range(len(values))]
    insert_rollups(
        [
            RollupRow(source.id, HOUR_SECONDS, at, layout.id, ([60.0], *([[value]] * 5)))
            for at, value in zip(moments, values, strict=True)
            if value is not None
        ]
    )
    Latest.objects.update_or_create(
        source=source,
        defaults={"at": last, "seq": 1, "layout_id": layout.id, "values": [values[-1]]},
    )
    return source


def make_forecast(client, *, kind="filesystem", subject="/var", metric=DISK, **fields):
    """A forecast that was made, of a disk that is full in 34 days unless said otherwise."""
    source, _is_new = Source.objects.get_or_create(client=client, kind=kind, subject=subject)
    now = read_now()
    return Forecast.objects.create(
        **{
            "source": source,
            "metric": metric,
            "made_at": now,
            "start_at": now.replace(minute=0, second=0, microsecond=0),
            "middle": [0.66] * 24,
            "lower": [0.65] * 24,
            "upper": [0.67] * 24,
            "lowest": [0.64] * 24,
            "highest": [0.68] * 24,
            "margin": 0.31,
            "origins": 30,
            "limit": 1.0,
            "verdict": Forecast.Verdict.GROWING,
            "level": 0.66,
            "growth": 0.01,
            "growth_low": 0.007,
            "growth_high": 0.0125,
            "used_days": 45,
            "full_at": now + timedelta(days=34, minutes=1),
            "full_soonest_at": now + timedelta(days=27, minutes=1),
            "full_latest_at": now + timedelta(days=48, minutes=1),
            **fields,
        }
    )
