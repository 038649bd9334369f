import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client
from apps.metrics.models import Source
from apps.tests.models import Run, Test


class Finding(models.Model):
    """A judgement about what was measured: that it is unusual, or what is wrong."""

    class Kind(models.TextChoices):
        SERIES_ANOMALY = "series_anomaly", _("Unusual values of one metric")
        JOINT_ANOMALY = "joint_anomaly", _("Unusual result as a whole")
        DIAGNOSIS = "diagnosis", _("Diagnosis")

    class Severity(models.TextChoices):
        INFO = "info", _("Information")
        WARNING = "warning", _("Warning")
        CRITICAL = "critical", _("Critical")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=24, choices=Kind.choices)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="findings")
    test = models.ForeignKey(
        Test, on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    # The stream that it is about; its assignment, if any, is the stream's.
    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="findings"
    )
    # That of the first of those about one client at about one time; none of a diagnosis.
    group_id = models.UUIDField(null=True, blank=True, editable=False)
    # A key of the catalogue for one metric, empty for a whole result.
    metric = models.CharField(_("metric"), max_length=255, blank=True)
    # What in the detector spoke (`range`, `discord`), or the class of a diagnosis (`dns_slow`).
    cause = models.CharField(_("cause"), max_length=32, blank=True)
    started_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("until"))
    # 1 is the edge of what is usual; a diagnosis has a confidence from 0 to 1 instead.
    score = models.FloatField(_("score"), null=True, blank=True)
    confidence = models.FloatField(_("confidence"), null=True, blank=True)
    # Of a model that has too few results to raise an alert.
    is_provisional = models.BooleanField(_("provisional"), default=False)
    # The figures behind the sentence, as the detector of that kind writes and reads them.
    evidence: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("made"))

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering: ClassVar = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "source", "metric", "started_at"], name="finding_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "-started_at"], name="finding_of_client"),
            models.Index(fields=["test", "-started_at"], name="finding_of_test"),
            models.Index(fields=["-started_at"], name="finding_by_start"),
            models.Index(fields=["group_id"], name="finding_of_group"),
            models.Index(fields=["ended_at"], name="finding_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.metric or self.cause} {self.started_at.isoformat()}"


class Feedback(models.Model):
    """What somebody who knows said of a finding; the newest word of each user counts.

    Of a diagnosis that names no cause there is no finding, so the word is about the diagnosis.
    """

    class Verdict(models.TextChoices):
        CONFIRMED = "confirmed", _("It was a problem")
        NOT_A_PROBLEM = "not_a_problem", _("Not a problem")
        OTHER_CAUSE = "other_cause", _("It was something else")

    finding = models.ForeignKey(
        Finding, on_delete=models.CASCADE, null=True, blank=True, related_name="feedback"
    )
    diagnosis = models.ForeignKey(
        "ml.Diagnosis", on_delete=models.CASCADE, null=True, blank=True, related_name="feedback"
    )
    verdict = models.CharField(_("verdict"), max_length=16, choices=Verdict.choices)
    # Of `OTHER_CAUSE` and `CONFIRMED`: the class that it really was.
    cause = models.CharField(_("cause"), max_length=32, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    said_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    said_at = models.DateTimeField(_("said"), db_index=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["finding", "said_by"], name="feedback_of_user_once"),
            models.UniqueConstraint(
                fields=["diagnosis", "said_by"], name="feedback_on_diagnosis_once"
            ),
            models.CheckConstraint(
                condition=models.Q(finding=None) ^ models.Q(diagnosis=None),
                name="feedback_about_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} {self.cause}".strip()
