from django.db import models
from django.utils.translation import gettext_lazy as _


class JudgingMark(models.Model):
    """Until when the results that came in were judged by one kind of model."""

    kind = models.CharField(_("kind"), max_length=32, primary_key=True)
    # By the time of arrival, so that what an agent kept back for days is judged as well.
    judged_until = models.DateTimeField(_("judged until"))

    class Meta:
        verbose_name = _("mark of judging")
        verbose_name_plural = _("marks of judging")

    def __str__(self) -> str:
        return f"{self.kind} {self.judged_until.isoformat()}"
