from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _


class Setting(models.Model):
    """A server setting that was changed here; without a row the environment's value holds."""

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    # Secrets stand here encrypted, with a key that is not in the database.
    value: "models.JSONField[Any, Any]" = models.JSONField(_("value"))
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("server setting")
        verbose_name_plural = _("server settings")

    def __str__(self) -> str:
        return self.name
