import uuid
from datetime import date
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.reports.algorithms.periods import name_days


class ReportPlan(models.Model):
    """What a report holds, and when and to whom it is sent by itself.

    A report shows what its owner may see, and belongs to its owner.
    """

    class Template(models.TextChoices):
        EXECUTIVE = "executive", _("Executive")
        SLA = "sla", _("Service levels")
        CAPACITY = "capacity", _("Capacity")
        CLIENT = "client", _("Client detail")
        TEST = "test", _("Single test")

    class Period(models.TextChoices):
        DAY = "day", _("The day before")
        WEEK = "week", _("The week before, Monday to Sunday")
        MONTH = "month", _("The month before")
        LAST_24_HOURS = "24h", _("The last 24 hours")
        LAST_7_DAYS = "7d", _("The last 7 days")
        LAST_30_DAYS = "30d", _("The last 30 days")
        LAST_90_DAYS = "90d", _("The last 90 days")

    class Cadence(models.TextChoices):
        NEVER = "never", _("Only when asked for")
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week")
        MONTHLY = "monthly", _("Every month")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="report_plans",
    )
    template = models.CharField(
        _("template"), max_length=12, choices=Template.choices, default=Template.EXECUTIVE
    )
    # Which clients, as `clients.algorithms.selector.Selector` writes itself.
    selector: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("clients"), default=dict, blank=True
    )
    # Ids of tests; a deleted one matches nothing, and none at all means every test.
    tests: "models.JSONField[list[str], list[str]]" = models.JSONField(
        _("tests"), default=list, blank=True
    )
    period = models.CharField(
        _("period"), max_length=8, choices=Period.choices, default=Period.MONTH
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(_("language"), max_length=10, default="en")
    # Names of sections in their order; empty takes those of the template.
    sections: "models.JSONField[list[str], list[str]]" = models.JSONField(
        _("sections"), default=list, blank=True
    )
    accent = models.CharField(_("colour"), max_length=7, default="#0f5fb8")
    logo = models.BinaryField(_("logo"), null=True, blank=True)

    cadence = models.CharField(
        _("sent"), max_length=8, choices=Cadence.choices, default=Cadence.NEVER
    )
    # The wall clock of its zone; weekdays from Monday (0) on, days of the month at most 28.
    hour = models.PositiveSmallIntegerField(_("hour"), default=6)
    weekday = models.PositiveSmallIntegerField(_("weekday"), default=0)
    month_day = models.PositiveSmallIntegerField(_("day of the month"), default=1)
    recipients: "models.JSONField[list[str], list[str]]" = models.JSONField(
        _("recipients"), default=list, blank=True
    )
    next_at = models.DateTimeField(_("next"), null=True, blank=True, db_index=True)
    created_at = models.DateTimeField(_("made"))

    class Meta:
        verbose_name = _("report plan")
        verbose_name_plural = _("report plans")
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """For naming days; UTC where the system knows the zone no more."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")


class Report(models.Model):
    """One document made by a plan about one period; its file lies in `ReportFile`."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        MAKING = "making", _("Being made")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    OPEN: ClassVar = (State.QUEUED, State.MAKING)

    class Reason(models.TextChoices):
        ASKED = "asked", _("Asked for")
        SCHEDULED = "scheduled", _("Scheduled")
        TRIAL = "trial", _("Sent as a test")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    plan = models.ForeignKey(ReportPlan, on_delete=models.CASCADE, related_name="reports")
    reason = models.CharField(_("why"), max_length=10, choices=Reason.choices)
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.QUEUED)
    error = models.CharField(_("error"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("asked"), db_index=True)
    made_at = models.DateTimeField(_("made"), null=True, blank=True)
    # What the document says first.
    verdict = models.CharField(_("verdict"), max_length=500, blank=True)
    # What the body of a mail says: figures, the worst, and what the document is about.
    summary: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    size_bytes = models.PositiveIntegerField(_("size"), null=True, blank=True)
    digest = models.CharField(_("SHA-256"), max_length=64, blank=True)
    pages = models.PositiveIntegerField(_("pages"), null=True, blank=True)
    # Of which clients its owner could see something when it was made; once that has changed, the
    # report is handed out and sent no more.
    scope: "models.JSONField[Any, Any]" = models.JSONField(_("scope"), null=True, editable=False)
    # Measured of planned time, 0 to 1; none where nothing was planned.
    coverage = models.FloatField(_("coverage"), null=True, blank=True)

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            # A second beat makes no second report of the same period.
            models.UniqueConstraint(
                fields=["plan", "start_at", "end_at"],
                condition=models.Q(reason="scheduled"),
                name="report_scheduled_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan} {self.days[0].isoformat()}"

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day, both inside, in the plan's zone."""
        return name_days(self.start_at, self.end_at, self.plan.zone)

    @property
    def file_name(self) -> str:
        """For a download; of plain letters alone."""
        first, last = self.days
        return f"report-{first:%Y%m%d}-{last:%Y%m%d}-{str(self.id)[:8]}.pdf"


class ReportFile(models.Model):
    """The PDF, in the database: the process that hands it out may run on another machine."""

    report = models.OneToOneField(
        Report, on_delete=models.CASCADE, primary_key=True, related_name="file"
    )
    content = models.BinaryField()

    def __str__(self) -> str:
        return str(self.report_id)


class Delivery(models.Model):
    """One message with a report to one recipient, and what became of it."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        RETRYING = "retrying", _("Being tried again")
        FAILED = "failed", _("Given up")

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="deliveries")
    recipient = models.CharField(_("recipient"), max_length=254)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("last error"), max_length=500, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering: ClassVar = ["recipient"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["report", "recipient"], name="delivery_once")
        ]

    def __str__(self) -> str:
        return f"{self.recipient} {self.state}"
