import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client
from apps.metrics.models import Source


class Target(models.Model):
    """What is measured: a host, a resolver or a URL, shared by the tests that aim at it."""

    address = models.CharField(_("address"), max_length=2048, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("target")
        verbose_name_plural = _("targets")

    def __str__(self) -> str:
        return self.address


class Test(models.Model):
    """What to measure, on what, when."""

    class ScheduleKind(models.TextChoices):
        ONCE = "once", _("Once")
        EVERY = "every", _("Every N seconds")
        CRON = "cron", _("By a cron expression")
        CONTINUOUS = "continuous", _("Continuously")

    class SelectionKind(models.TextChoices):
        CLIENTS = "clients", _("These clients")
        ALL = "all", _("All clients that match")
        ANY = "any", _("Any N clients that match")

    class Topology(models.TextChoices):
        PAIR = "pair", _("Pair: two clients")
        STAR = "star", _("Star: a hub and the others")
        MESH = "mesh", _("Mesh: each with each")

    class Directions(models.TextChoices):
        OUT = "out", _("One way: from the hub, or each two once")
        BACK = "back", _("One way: to the hub")
        BOTH = "both", _("Both ways")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("type"), max_length=32, db_index=True)
    target = models.ForeignKey(
        Target, on_delete=models.PROTECT, null=True, blank=True, related_name="tests"
    )
    parameters: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("parameters"), default=dict
    )
    duration_seconds = models.FloatField(_("duration"))
    sample_interval_seconds = models.FloatField(_("sample interval"))

    schedule_kind = models.CharField(
        _("schedule"), max_length=16, choices=ScheduleKind.choices, default=ScheduleKind.EVERY
    )
    every_seconds = models.FloatField(_("every"), null=True, blank=True)
    cron_expression = models.CharField(_("cron expression"), max_length=100, blank=True)
    time_zone = models.CharField(_("time zone of the cron expression"), max_length=64, blank=True)
    slip_seconds = models.FloatField(_("random offset"), default=0)
    start_at = models.DateTimeField(_("first start"))
    # Names the slots: a changed schedule never reuses the ids of runs planned before.
    schedule_revision = models.PositiveIntegerField(default=1)

    selection_kind = models.CharField(
        _("run by"), max_length=8, choices=SelectionKind.choices, default=SelectionKind.CLIENTS
    )
    # Which clients match, as `clients.algorithms.selector.Selector` writes itself.
    selector: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("clients that match"), default=dict, blank=True
    )
    wanted_clients = models.PositiveIntegerField(_("clients wanted"), null=True, blank=True)
    # Of kinds that need two participants; the clients above are the far ends, or the mesh.
    topology = models.CharField(_("topology"), max_length=8, choices=Topology.choices, blank=True)
    hub = models.ForeignKey(
        Client,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("hub"),
        related_name="hub_tests",
    )
    directions = models.CharField(
        _("directions"), max_length=8, choices=Directions.choices, blank=True
    )
    peer_address = models.CharField(_("address of the far end"), max_length=64, blank=True)
    # Why fewer clients run it than it asks for; empty when all is well.
    selection_note = models.CharField(max_length=255, blank=True)

    is_paused = models.BooleanField(_("paused"), default=False)
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        verbose_name = _("test")
        verbose_name_plural = _("tests")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Assignment(models.Model):
    """A test given to a client, with its own stream of numbers and its last state for lists.

    Of a kind for two participants `client` initiates the runs and `peer` answers them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    test = models.ForeignKey(Test, on_delete=models.CASCADE, related_name="assignments")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="assignments")
    # What was measured towards a client that is deleted stays with the one that measured it.
    peer = models.ForeignKey(
        Client,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("far end"),
        related_name="answered_assignments",
    )
    is_paired = models.BooleanField(default=False)
    source = models.OneToOneField(
        Source, on_delete=models.SET_NULL, null=True, related_name="assignment"
    )
    created_at = models.DateTimeField(_("created"))
    # An assignment that was taken away keeps its history.
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    planned_until = models.DateTimeField(null=True)
    planned_at = models.DateTimeField(null=True)
    # When the planner must look at it again; one index makes a tick without work cheap.
    plan_again_at = models.DateTimeField(null=True, db_index=True)

    last_run_at = models.DateTimeField(_("last run"), null=True, blank=True)
    last_run_state = models.CharField(max_length=16, blank=True)
    last_is_success = models.BooleanField(null=True)
    last_reason = models.CharField(max_length=255, blank=True)
    last_values: "models.JSONField[dict[str, float], dict[str, float]]" = models.JSONField(
        default=dict
    )

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["test", "client"],
                condition=models.Q(is_paired=False),
                name="assignment_once",
            ),
            models.UniqueConstraint(fields=["test", "client", "peer"], name="assignment_pair_once"),
        ]

    def __str__(self) -> str:
        return f"{self.test} @ {self.client}" + (f" → {self.peer}" if self.peer else "")

    @property
    def participant_ids(self) -> tuple[uuid.UUID, ...]:
        """The client, and the far end where there is one."""
        return (self.client_id,) if self.peer_id is None else (self.client_id, self.peer_id)


class Run(models.Model):
    """One execution, planned or asked for; its id says which, so it is made only once."""

    class State(models.TextChoices):
        SCHEDULED = "scheduled", _("Scheduled")
        LEASED = "leased", _("Handed to the agent")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")
        MISSED = "missed", _("Missed")
        NONSTART = "nonstart", _("Not started")
        PAUSED = "paused", _("Paused by maintenance")
        CANCELLED = "cancelled", _("Cancelled")

    OPEN_STATES: ClassVar = (State.SCHEDULED, State.LEASED, State.RUNNING)

    id = models.UUIDField(primary_key=True, editable=False)
    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="runs")
    slot = models.BigIntegerField(null=True, blank=True)
    schedule_revision = models.PositiveIntegerField()
    start_at = models.DateTimeField(_("planned start"))
    # The planned end; past it and a grace, a run without a result is missed.
    end_at = models.DateTimeField(_("planned end"))
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.SCHEDULED
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    is_on_demand = models.BooleanField(_("on demand"), default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    leased_at = models.DateTimeField(null=True, blank=True)
    # When the far end of a paired run fetched it; the run is handed to its initiator after that.
    peer_leased_at = models.DateTimeField(null=True, blank=True)
    # An exclusive run used its participants meanwhile: kept, but no basis for what is normal.
    is_overlapped = models.BooleanField(_("disturbed by an exclusive run"), default=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering: ClassVar = ["-start_at"]
        indexes: ClassVar = [
            models.Index(fields=["assignment", "-start_at"], name="run_of_assignment"),
            models.Index(fields=["state", "end_at"], name="run_by_state"),
            models.Index(fields=["-start_at"], name="run_by_start"),
        ]

    def __str__(self) -> str:
        return f"{self.assignment} {self.start_at.isoformat()}"


class Calendar(models.Model):
    """What is locked, in the order of the ids, by whoever reserves time on clients."""

    client = models.OneToOneField(
        Client, on_delete=models.CASCADE, primary_key=True, related_name="calendar"
    )

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")

    def __str__(self) -> str:
        return str(self.client_id)


class Reservation(models.Model):
    """The time that an exclusive run has to itself on one client, its margins included."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="reservations")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="reservations")
    start_at = models.DateTimeField(_("from"))
    end_at = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "client"], name="reservation_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["client", "end_at"], name="reservation_of_client")
        ]

    def __str__(self) -> str:
        return f"{self.client_id} {self.start_at.isoformat()}"


class Result(models.Model):
    """What a run found, over all its single measurements."""

    class Outcome(models.TextChoices):
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")
        ABORTED = "aborted", _("Aborted")

    run = models.OneToOneField(
        Run, on_delete=models.CASCADE, primary_key=True, related_name="result"
    )
    received_at = models.DateTimeField(_("received"), db_index=True)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"))
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices)
    is_success = models.BooleanField(_("success"), null=True)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    method = models.CharField(_("method"), max_length=32, blank=True)
    values: "models.JSONField[dict[str, float], dict[str, float]]" = models.JSONField(default=dict)
    absent: "models.JSONField[dict[str, str], dict[str, str]]" = models.JSONField(default=dict)
    facts: "models.JSONField[dict[str, str], dict[str, str]]" = models.JSONField(default=dict)
    document: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("result")
        verbose_name_plural = _("results")

    def __str__(self) -> str:
        return f"{self.run_id} {self.outcome}"


class Quota(models.Model):
    """The most that one user may ask for, or one client be asked for; empty means unlimited.

    The row with neither user nor client of each scope is the limit of everybody without a row.
    """

    class Scope(models.TextChoices):
        USER = "user", _("User")
        CLIENT = "client", _("Client")

    scope = models.CharField(_("limit of a"), max_length=8, choices=Scope.choices)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    client = models.OneToOneField(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="quota"
    )
    tests = models.PositiveIntegerField(_("tests"), null=True, blank=True)
    packets_per_second = models.FloatField(_("packets per second"), null=True, blank=True)
    megabits_per_second = models.FloatField(_("Mbit/s"), null=True, blank=True)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(scope="user", client=None) | models.Q(scope="client", user=None),
                name="quota_of_one_scope",
            ),
            models.UniqueConstraint(
                fields=["scope"],
                condition=models.Q(user=None, client=None),
                name="quota_default_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.user or self.client or 'default'}"


class SelectionClock(models.Model):
    """When the server last looked after who runs what; a gap says that it was away."""

    ticked_at = models.DateTimeField()
    # Until then presences are of the time before, and nothing is moved away from anybody.
    settled_at = models.DateTimeField()

    class Meta:
        verbose_name = _("clock of the selection")
        verbose_name_plural = _("clock of the selection")

    def __str__(self) -> str:
        return self.ticked_at.isoformat()
