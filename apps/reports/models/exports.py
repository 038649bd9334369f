import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.jobs.models import Job


class Export(models.Model):
    """A file of rows made in the background; it has one once there is a digest.

    How far it is stands in its job, so that there is only one truth about it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Being written")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.CharField(_("dataset"), max_length=32)
    format = models.CharField(_("format"), max_length=16)
    is_gzip = models.BooleanField(_("compressed"), default=False)
    # By the names of the dataset's filters.
    filters: "models.JSONField[dict[str, list[str]], dict[str, list[str]]]" = models.JSONField(
        _("filters"), default=dict
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        on_delete=models.CASCADE,
        related_name="exports",
    )
    # Of which clients its maker could see rows as these were read; once that is another, the file
    # is handed out no more.
    scope: "models.JSONField[Any, Any]" = models.JSONField(_("scope"), default=dict)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("made"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    total_units = models.PositiveBigIntegerField(_("to read"), null=True, blank=True)
    unit_count = models.PositiveBigIntegerField(_("read"), default=0)
    row_count = models.PositiveBigIntegerField(_("rows"), default=0)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    # Where the next turn goes on; the file is sound up to `size_bytes`.
    position: "models.JSONField[list[str | int] | None, list[str | int] | None]" = models.JSONField(
        null=True, blank=True
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["requested_by", "-created_at"], name="export_of_user")
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file_name(self) -> str:
        return f"{self.dataset}.{self.format}{'.gz' if self.is_gzip else ''}"

    @property
    def state(self) -> str:
        if self.sha256:
            return self.State.READY
        if self.job is None or self.job.state not in Job.OPEN:
            return self.State.FAILED
        is_begun = self.job.state == Job.State.RUNNING or self.total_units is not None
        return self.State.RUNNING if is_begun else self.State.WAITING

    @property
    def progress(self) -> float:
        """From 0 to 1, as far as whole turns go; what is counted may grow meanwhile."""
        if self.sha256:
            return 1.0
        told = self.job.progress if self.job else None
        stored = self.unit_count / self.total_units if self.total_units else 0.0
        return min(max(stored, told or 0.0), 1.0)

    @property
    def reason(self) -> str:
        """Why it failed, or failed last."""
        return self.job.error if self.job else ""
