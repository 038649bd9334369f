import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client
from apps.ml.models.findings import Finding
from apps.tests.models import Run, Test


class Diagnosis(models.Model):
    """What was wrong with a client, a test from it, or a run, as it looked when somebody asked."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="diagnoses")
    test = models.ForeignKey(
        Test, on_delete=models.CASCADE, null=True, blank=True, related_name="diagnoses"
    )
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="diagnoses"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(_("asked"))
    # The moment that it is about: now, or the start of the run.
    about_at = models.DateTimeField(_("about"))
    symptoms: "models.JSONField[list[str], list[str]]" = models.JSONField(default=list)
    # Empty when nothing explains the symptoms, or when there are none.
    cause = models.CharField(_("first cause"), max_length=32, blank=True, db_index=True)
    confidence = models.FloatField(_("confidence"), null=True, blank=True)
    verdicts: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField(
        default=list
    )
    cleared: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField(
        default=list
    )
    not_judged: "models.JSONField[list[dict[str, str]], list[dict[str, str]]]" = models.JSONField(
        default=list
    )
    # Metrics of the host that moved with it, strongest first.
    moved: "models.JSONField[list[dict[str, Any]], list[dict[str, Any]]]" = models.JSONField(
        default=list
    )
    siblings: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    duration_seconds = models.FloatField(_("took"))
    finding = models.OneToOneField(
        Finding, on_delete=models.SET_NULL, null=True, blank=True, related_name="diagnosis"
    )

    class Meta:
        verbose_name = _("diagnosis")
        verbose_name_plural = _("diagnoses")
        ordering: ClassVar = ["-asked_at"]
        indexes: ClassVar = [
            models.Index(fields=["client", "-asked_at"], name="diagnosis_of_client")
        ]

    def __str__(self) -> str:
        return f"{self.cause or 'nothing'} {self.asked_at.isoformat()}"
