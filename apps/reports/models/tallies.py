"""What became of runs, day by day, so that a report of a month does not look at each of them."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.tests.models import Assignment

# Microseconds since the day began, whether it was good, and why not.
TurnRow = tuple[int, bool, str]


class DayTally(models.Model):
    """The runs of a test on a client that were to start on one day of UTC, counted when it is over.

    `turns`: the first judged run of the day, and each whose verdict differs from the one before.
    """

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(_("day"), db_index=True)
    good = models.PositiveIntegerField(_("good"))
    bad = models.PositiveIntegerField(_("bad"))
    unknown = models.PositiveIntegerField(_("unknown"))
    turns: "models.JSONField[list[TurnRow], list[TurnRow]]" = models.JSONField(default=list)

    class Meta:
        verbose_name = _("tally of a day")
        verbose_name_plural = _("tallies of days")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "day"], name="day_tally_once")
        ]

    def __str__(self) -> str:
        return f"{self.assignment_id} {self.day.isoformat()}"


class TallyClock(models.Model):
    """How far the tallies go; a single row, none before the first day is kept."""

    # A midnight of UTC: all days before it are kept.
    kept_until = models.DateTimeField()
    # Results that came in before this are in the tallies of those days.
    looked_at = models.DateTimeField()

    class Meta:
        verbose_name = _("clock of the tallies")
        verbose_name_plural = _("clock of the tallies")

    def __str__(self) -> str:
        return self.kept_until.isoformat()
