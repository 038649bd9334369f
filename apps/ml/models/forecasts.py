import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.metrics.fields import FloatArray
from apps.metrics.models import Source


class Forecast(models.Model):
    """What is expected of one metric of a source, and when it reaches its limit.

    The next one takes its place. The hours to come and the limit are judged apart: either may be
    refused, with the reason and how many values there are of how many are needed.
    """

    class Refusal(models.TextChoices):
        EMPTY = "empty", _("nothing measured")
        TOO_SHORT = "too_short", _("still learning")
        GAPPY = "gappy", _("too many gaps")
        CONSTANT = "constant", _("never changes")
        NOT_BETTER = "not_better", _("no better than the day before")

    class Verdict(models.TextChoices):
        REACHED = "reached", _("Reached")
        GROWING = "growing", _("Growing")
        BEYOND = "beyond", _("Not within a year")
        NOT_GROWING = "not_growing", _("Not growing")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="forecasts")
    # A key of the catalogue.
    metric = models.CharField(_("metric"), max_length=255)
    made_at = models.DateTimeField(_("made"))

    # The hours to come; none of them where a refusal says why.
    start_at = models.DateTimeField(_("first hour"), null=True)
    middle = FloatArray(null=True)
    # Of the interval that holds 80 % of what comes, and of the one that holds 95 %.
    lower = FloatArray(null=True)
    upper = FloatArray(null=True)
    lowest = FloatArray(null=True)
    highest = FloatArray(null=True)
    # By which share its error in the backtest was smaller than that of the day before, repeated.
    margin = models.FloatField(_("margin"), null=True)
    origins = models.PositiveSmallIntegerField(_("forecasts tried"), default=0)
    refusal = models.CharField(_("why not"), max_length=12, choices=Refusal.choices, blank=True)
    count = models.PositiveIntegerField(_("hours there"), default=0)
    needed = models.PositiveIntegerField(_("hours needed"), default=0)

    # Of a metric with a limit; empty for others.
    limit = models.FloatField(_("limit"), null=True)
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices, blank=True)
    limit_refusal = models.CharField(
        _("why no verdict"), max_length=12, choices=Refusal.choices, blank=True
    )
    days_there = models.PositiveIntegerField(_("days there"), default=0)
    days_needed = models.PositiveIntegerField(_("days needed"), default=0)
    level = models.FloatField(_("level"), null=True)
    # A day, with the bounds of an 80 % interval.
    growth = models.FloatField(_("growth"), null=True)
    growth_low = models.FloatField(null=True)
    growth_high = models.FloatField(null=True)
    # The days that the growth was read from, those since the last step.
    used_days = models.PositiveSmallIntegerField(_("days used"), null=True)
    full_at = models.DateTimeField(_("reached"), null=True)
    full_soonest_at = models.DateTimeField(null=True)
    full_latest_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("forecast")
        verbose_name_plural = _("forecasts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "metric"], name="forecast_once")
        ]
        indexes: ClassVar = [models.Index(fields=["made_at"], name="forecast_by_age")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.metric}"
