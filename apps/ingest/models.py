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
