import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.jobs.queues import Queue


class Job(models.Model):
    """A piece of work that must be done, or be seen to have failed; the queue is this table.

    A worker claims it for a few seconds at a time. Once it is done, dead or discarded it is
    settled, and nothing but `retry_job` opens it again.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        DEAD = "dead", _("Given up")
        DISCARDED = "discarded", _("Discarded")

    OPEN: ClassVar = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=64)
    # What it is about: of one kind and key at most one job is open.
    key = models.CharField(_("key"), max_length=200, blank=True)
    queue = models.CharField(
        _("queue"), max_length=16, choices=[(one.value, one.value) for one in Queue]
    )
    arguments: "models.JSONField[Any, Any]" = models.JSONField(_("arguments"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    # Counted before the work begins, so that one that kills its worker counts as well.
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    run_after = models.DateTimeField(_("not before"))
    claimed_by = models.CharField(_("claimed by"), max_length=120, blank=True)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    # 0 to 1; none where the work does not say.
    progress = models.FloatField(_("progress"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    error = models.CharField(_("last error"), max_length=500, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(_("made"))
    started_at = models.DateTimeField(_("last begun"), null=True, blank=True)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(state__in=["queued", "running"]) & ~Q(key=""),
                name="job_open_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["queue", "run_after"],
                condition=Q(state__in=["queued", "running"]),
                name="job_open",
            ),
            models.Index(fields=["state", "finished_at"], name="job_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}".strip()
