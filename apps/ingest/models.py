from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client


class RejectedRecord(models.Model):
    """A refused record, with the reason and its beginning, kept for a bounded time."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="rejected_records")
    received_at = models.DateTimeField(_("received"), db_index=True)
    record_id = models.CharField(_("record"), max_length=64)
    code = models.CharField(_("code"), max_length=32)
    field = models.CharField(_("field"), max_length=255)
    detail = models.CharField(_("reason"), max_length=512)
    sample: "models.JSONField[Any, Any]" = models.JSONField(_("beginning"), null=True)

    class Meta:
        verbose_name = _("rejected record")
        verbose_name_plural = _("rejected records")
        ordering: ClassVar = ["-received_at"]

    def __str__(self) -> str:
        return f"{self.record_id}: {self.code}"


class RefusalCount(models.Model):
    """How many records of a client were ever refused for a reason; nothing is lost silently."""

    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, related_name="refusal_counts", db_index=False
    )
    code = models.CharField(_("code"), max_length=32)
    count = models.PositiveBigIntegerField(_("refused records"), default=0)
    last_at = models.DateTimeField(_("last refused"))

    class Meta:
        verbose_name = _("refusal count")
        verbose_name_plural = _("refusal counts")
        ordering: ClassVar = ["-last_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "code"], name="refusal_count_once")
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.count}"
