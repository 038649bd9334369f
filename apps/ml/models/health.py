import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client, Site
from apps.tests.models import Assignment, Test


class HealthGoal(models.Model):
    """What a test's paths are asked for, where its kind's own measure does not fit."""

    test = models.OneToOneField(
        Test, on_delete=models.CASCADE, primary_key=True, related_name="health_goal"
    )
    availability_goal_ratio = models.FloatField(_("availability"))
    latency_good_seconds = models.FloatField(_("good latency"))
    latency_bad_seconds = models.FloatField(_("useless latency"))
    jitter_good_seconds = models.FloatField(_("good jitter"))
    jitter_bad_seconds = models.FloatField(_("useless jitter"))
    # Empty takes the median of what the client has measured in the last two weeks.
    throughput_bits_per_second = models.FloatField(_("expected throughput"), null=True, blank=True)

    class Meta:
        verbose_name = _("health goal")
        verbose_name_plural = _("health goals")

    def __str__(self) -> str:
        return str(self.test_id)


class HealthScore(models.Model):
    """How well something is now: a test from a client, a client, a site, or all (neither)."""

    class Band(models.TextChoices):
        HEALTHY = "healthy", _("Healthy")
        WARNING = "warning", _("Warning")
        CRITICAL = "critical", _("Critical")
        UNKNOWN = "unknown", _("Unknown")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assignment = models.OneToOneField(
        Assignment, on_delete=models.CASCADE, null=True, blank=True, related_name="health"
    )
    client = models.OneToOneField(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="health"
    )
    site = models.OneToOneField(
        Site, on_delete=models.CASCADE, null=True, blank=True, related_name="health"
    )
    score = models.PositiveSmallIntegerField(_("score"), null=True, blank=True)
    band = models.CharField(
        _("band"), max_length=10, choices=Band.choices, default=Band.UNKNOWN, db_index=True
    )
    # Why it is unknown.
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    is_partial = models.BooleanField(_("partial"), default=False)
    # Of a test: the pillars and what each input costs. Of others: what each member costs.
    pillars: "models.JSONField[dict[str, float], dict[str, float]]" = models.JSONField(default=dict)
    deductions: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField(
        default=list
    )
    unknown_count = models.PositiveIntegerField(_("of them unknown"), default=0)
    # Results by hour of the last day, so that only what is new need be counted.
    tallies: "models.JSONField[dict[str, list[int]], dict[str, list[int]]]" = models.JSONField(
        default=dict
    )
    computed_at = models.DateTimeField(_("computed"), db_index=True)
    # What its history says last; a step of a point or none is not worth a row.
    noted_score = models.PositiveSmallIntegerField(null=True, blank=True)
    noted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("health score")
        verbose_name_plural = _("health scores")
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(assignment=None, client=None, site=None),
                name="health_of_all_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.band} {self.score}"


class HealthChange(models.Model):
    """From when on a score held; it holds until the next change."""

    subject = models.ForeignKey(HealthScore, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField(_("from"))
    score = models.PositiveSmallIntegerField(_("score"), null=True, blank=True)

    class Meta:
        verbose_name = _("change of health")
        verbose_name_plural = _("changes of health")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subject", "at"], name="health_change_once")
        ]
        indexes: ClassVar = [models.Index(fields=["at"], name="health_change_by_time")]

    def __str__(self) -> str:
        return f"{self.score} {self.at.isoformat()}"
