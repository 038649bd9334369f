import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client
from apps.jobs.models import Job
from apps.tests.models import Test


class Scoped(models.Model):
    """What a model or a training is about: a kind, and what of the measured it looks at."""

    kind = models.CharField(_("kind"), max_length=32)
    # `apps.ml.algorithms.scopes`; client and test repeat what of it is one of them.
    scope = models.CharField(_("scope"), max_length=120)
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    test = models.ForeignKey(
        Test, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )

    class Meta:
        abstract = True


class ModelVersion(Scoped):
    """A trained model: what it learned from, how good it is, and whether it is used.

    Its arrays are in a file, whose SHA-256 stands here; whoever asks gets the champion of a kind
    and scope, never a version, so that taking one back is a change of two rows.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("Candidate")
        SHADOW = "shadow", _("Shadow")
        CHAMPION = "champion", _("Champion")
        RETIRED = "retired", _("Retired")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.PositiveIntegerField(_("version"))
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    # Of too few results to raise an alert.
    is_provisional = models.BooleanField(_("provisional"), default=False)
    # What it was fitted on; judged it was by the rows from there to `held_until`.
    data_from = models.DateTimeField(_("learned from"))
    data_until = models.DateTimeField(_("learned until"))
    held_from = models.DateTimeField(_("judged from"))
    held_until = models.DateTimeField(_("judged until"))
    row_count = models.PositiveIntegerField(_("rows learned from"))
    held_count = models.PositiveIntegerField(_("rows judged by"))
    incident_count = models.PositiveIntegerField(_("incidents"), default=0)
    agent_count = models.PositiveIntegerField(_("agents"), default=0)
    features: "models.JSONField[list[str], list[str]]" = models.JSONField(_("features"))
    schema_hash = models.CharField(_("feature schema"), max_length=16)
    code_version = models.CharField(_("server version"), max_length=32)
    library_version = models.CharField(_("scikit-learn version"), max_length=32)
    seed = models.PositiveIntegerField(_("seed"))
    # As `apps.ml.services.scoring` writes it: losses with intervals, the baseline's beside them.
    metrics: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(_("metrics"))
    calibration: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("calibration"), default=dict
    )
    digest = models.CharField(_("SHA-256 of the file"), max_length=64)
    size_bytes = models.PositiveIntegerField(_("size"))
    trained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    trained_at = models.DateTimeField(_("trained"))
    duration_seconds = models.FloatField(_("duration"))
    decision = models.CharField(_("decision"), max_length=500)
    # When it last became champion; what never was cannot be rolled back to.
    promoted_at = models.DateTimeField(_("promoted"), null=True, blank=True)
    # Reviews in a row in which the dumb baseline was better.
    defeats = models.PositiveSmallIntegerField(_("defeats by the baseline"), default=0)
    # Of the newest review: rows, indices by feature, distance of the outputs.
    drift: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("drift"), default=dict, blank=True
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering: ClassVar = ["kind", "scope", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "scope", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["kind", "scope"], condition=Q(state="champion"), name="model_champion_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope} version {self.version}"


class Training(Scoped):
    """One attempt to learn, from the wish to the decision about what came out of it."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    OPEN: ClassVar = (State.WAITING, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    # `apps.ml.algorithms.triggers.Trigger`.
    trigger = models.CharField(_("reason"), max_length=16)
    # The same with its figures; empty when somebody asked.
    reason = models.CharField(_("reason in words"), max_length=500, blank=True)
    # Where its rows were measured (`apps.ml.selectors.surroundings`): a change asks for the next.
    surroundings: "models.JSONField[dict[str, str], dict[str, str]]" = models.JSONField(
        default=dict, blank=True
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Forgotten after days; progress is the job's while it is open.
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    row_count = models.PositiveIntegerField(_("rows"), default=0)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    result = models.OneToOneField(
        ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="training"
    )
    # Why it was promoted or not, or why nothing came of it.
    decision = models.CharField(_("decision"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("asked for"))
    started_at = models.DateTimeField(_("begun"), null=True, blank=True)
    finished_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("training")
        verbose_name_plural = _("trainings")
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="running"), name="training_one_at_a_time"
            ),
            models.UniqueConstraint(
                fields=["kind", "scope"],
                condition=Q(state__in=["waiting", "running"]),
                name="training_open_once",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-created_at"], name="training_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope}"
