import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Site(models.Model):
    """A place where clients are; its slug never changes because scopes name it."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    latitude = models.FloatField(
        _("latitude"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
    )
    longitude = models.FloatField(
        _("longitude"),
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word by which clients are selected; its slug never changes because scopes name it.

    Tags form trees: who selects "europe" also selects the clients tagged "vienna" below it.
    """

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    # Everything above it, kept by the services so that a filter is one join.
    lineage = models.ManyToManyField("self", symmetrical=False, related_name="descendants")

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.name


class Client(models.Model):
    """The record of one agent."""

    class Presence(models.TextChoices):
        NEVER = "never", _("Never seen")
        ONLINE = "online", _("Online")
        LATE = "late", _("Late")
        OFFLINE = "offline", _("Offline")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, related_name="clients"
    )
    tags = models.ManyToManyField(Tag, blank=True, related_name="clients")
    enrolled_at = models.DateTimeField(_("enrolled"))
    # Where other agents find it; empty leaves it to its interfaces.
    peer_address = models.CharField(_("address for other agents"), max_length=64, blank=True)
    # Clients of one group share an uplink, and with it the time of exclusive runs.
    link_group = models.CharField(_("shared uplink"), max_length=64, blank=True, db_index=True)

    presence = models.CharField(
        _("presence"), max_length=8, choices=Presence.choices, default=Presence.NEVER, db_index=True
    )
    presence_since = models.DateTimeField(_("present since"), null=True, blank=True)
    last_heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, blank=True)
    last_address = models.CharField(_("last address"), max_length=64, blank=True)

    agent_version = models.CharField(_("agent version"), max_length=32, blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    boot_counter = models.PositiveBigIntegerField(default=0)
    # The boots seen before, newest first: one that comes back means two agents share a key.
    earlier_boots: "models.JSONField[list[str], list[str]]" = models.JSONField(default=list)
    # When one of them last did; it may have been a late heartbeat of a process that had ended.
    boot_returned_at = models.DateTimeField(null=True, blank=True)
    clone_suspected_at = models.DateTimeField(_("clone suspected"), null=True, blank=True)
    clone_detail = models.CharField(_("why a clone"), max_length=255, blank=True)
    # Unix seconds of the newest heartbeats, oldest first: a strip on its page costs no table.
    heartbeats: "models.JSONField[list[float], list[float]]" = models.JSONField(default=list)
    spool_depth = models.PositiveBigIntegerField(_("spool depth"), default=0)
    spool_dropped = models.PositiveBigIntegerField(_("records dropped by the spool"), default=0)
    clock_offset_seconds = models.FloatField(_("clock offset"), null=True, blank=True)
    clock_error_seconds = models.FloatField(_("clock error bound"), null=True, blank=True)

    hostname = models.CharField(_("host name"), max_length=253, blank=True)
    operating_system = models.CharField(_("operating system"), max_length=100, blank=True)
    inventory: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict)
    inventory_hash = models.CharField(max_length=16, blank=True)
    inventory_at = models.DateTimeField(null=True, blank=True)
    # Rises with every change of what the agent should do; a heartbeat's answer carries it.
    schedule_revision = models.PositiveBigIntegerField(default=1)
    # Set when somebody deletes it: gone for everybody, while its history is removed in pieces.
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Interface(models.Model):
    """A network interface of a client as its inventory last described it."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="interfaces")
    name = models.CharField(_("name"), max_length=64)
    mac_address = models.CharField(_("MAC address"), max_length=32, blank=True)
    addresses: "models.JSONField[list[str], list[str]]" = models.JSONField(
        _("addresses"), default=list
    )
    mtu_bytes = models.PositiveIntegerField(_("MTU"), null=True)
    speed_bits_per_second = models.PositiveBigIntegerField(_("speed"), null=True)
    is_up = models.BooleanField(_("up"), default=False)

    class Meta:
        verbose_name = _("interface")
        verbose_name_plural = _("interfaces")
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "name"], name="interface_once")
        ]

    def __str__(self) -> str:
        return self.name


class EnrolmentToken(models.Model):
    """What lets new agents in: hashed, expiring, single-use unless said otherwise."""

    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    expires_at = models.DateTimeField(_("expires"))
    max_uses = models.PositiveIntegerField(_("uses allowed"), default=1)
    uses = models.PositiveIntegerField(_("uses"), default=0)
    allowed_network = models.CharField(_("allowed network"), max_length=64, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    site = models.ForeignKey(Site, on_delete=models.SET_NULL, null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)

    class Meta:
        verbose_name = _("enrolment token")
        verbose_name_plural = _("enrolment tokens")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Key(models.Model):
    """A secret that proves which client an agent is; 256 random bits, so a plain hash does."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("agent key")
        verbose_name_plural = _("agent keys")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.prefix


class MaintenanceWindow(models.Model):
    """A time, once or again and again, in which clients are worked on."""

    class Effect(models.TextChoices):
        MUTE = "mute", _("Measure, but raise no alerts")
        PAUSE = "pause", _("Start no runs and raise no alerts")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100)
    effect = models.CharField(
        _("effect"), max_length=8, choices=Effect.choices, default=Effect.PAUSE
    )
    starts_at = models.DateTimeField(_("first start"))
    duration_seconds = models.PositiveIntegerField(_("duration"))
    # The zone in which the rule repeats: 22:00 stays 22:00 when the clocks change.
    time_zone = models.CharField(_("time zone"), max_length=64)
    recurrence = models.CharField(_("recurrence (RFC 5545 RRULE)"), max_length=500, blank=True)
    # Which clients, as `algorithms.selector.Selector` writes itself.
    selector: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("clients"), default=dict
    )
    # Whatever was going on at that moment ended then, by hand; later occurrences are whole.
    ended_at = models.DateTimeField(_("ended by hand"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    class Meta:
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")
        ordering: ClassVar = ["-starts_at"]

    def __str__(self) -> str:
        return self.name
