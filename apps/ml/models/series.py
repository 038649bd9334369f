from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.models import Source


class SeriesWatch(models.Model):
    """How far the series of a source are judged."""

    source = models.OneToOneField(
        Source, on_delete=models.CASCADE, primary_key=True, related_name="series_watch"
    )
    # A source of a kind that nobody wants judged, or one too many of its kind.
    is_watched = models.BooleanField(_("watched"))
    # All five minutes that begin before this are judged.
    judged_until = models.DateTimeField(_("judged until"))
    # What the stored states know; what came between is judged again by them, and says the same.
    stored_until = models.DateTimeField(_("stored until"))
    # Which five minutes of the last days were judged (algorithms/series/slots.py): what is not
    # among them and before `judged_until` has come late.
    judged_slots = models.BinaryField(default=bytes)

    class Meta:
        verbose_name = _("watched source")
        verbose_name_plural = _("watched sources")

    def __str__(self) -> str:
        return f"{self.source_id} until {self.judged_until.isoformat()}"


class SeriesState(models.Model):
    """What the detector knows of one series (algorithms/series/state.py)."""

    # The unique constraint's index leads with the source already.
    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="series_states", db_index=False
    )
    metric = models.CharField(_("metric"), max_length=255)
    values_count = models.PositiveBigIntegerField(_("values"))
    state = models.BinaryField()

    class Meta:
        verbose_name = _("state of a series")
        verbose_name_plural = _("states of series")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "metric"], name="series_state_once")
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.metric} ({self.values_count})"
