from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox ships no types
    """A person or program that signs in; what it may do stands in its roles."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("System")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    # The address as somebody who administers users set it last; `email` may be changed by its user.
    confirmed_email = models.EmailField(_("confirmed e-mail address"), blank=True, editable=False)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    language = models.CharField(_("language"), max_length=16, blank=True)
    theme = models.CharField(_("theme"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)


class Role(models.Model):
    """What a user may do on a part of the clients; empty site and tag mean all of them."""

    class Name(models.TextChoices):
        ADMIN = "admin", _("Administrator")
        OPERATOR = "operator", _("Operator")
        VIEWER = "viewer", _("Viewer")

    class Effect(models.TextChoices):
        ALLOW = "allow", _("Allow")
        DENY = "deny", _("Deny")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="roles")
    name = models.CharField(_("role"), max_length=16, choices=Name.choices)
    effect = models.CharField(
        _("effect"), max_length=8, choices=Effect.choices, default=Effect.ALLOW
    )
    # Sites and tags live above this app, so a scope names them by their unchanging slugs.
    site_slug = models.SlugField(_("site"), blank=True, db_index=False)
    tag_slug = models.SlugField(_("tag"), blank=True, db_index=False)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "name", "effect", "site_slug", "tag_slug"], name="role_once"
            )
        ]

    def __str__(self) -> str:
        place = "/".join(part for part in (self.site_slug, self.tag_slug) if part)
        what = f"{self.get_effect_display()} {self.get_name_display()}"
        return f"{what} ({place})" if place else what


class Token(AbstractAuthToken):  # type: ignore[misc]  # knox ships no types
    """An API token: hashed, expiring, limited to its scopes and to its user's roles."""

    class Scope(models.TextChoices):
        METRICS = "metrics", _("Read numbers, as Prometheus and Grafana do")
        READ = "read", _("Read")
        WRITE = "write", _("Write")
        ADMIN = "admin", _("Administer")

    name = models.CharField(_("name"), max_length=100)
    scopes: "models.JSONField[list[str], list[str]]" = models.JSONField(_("scopes"), default=list)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    @property
    def public_id(self) -> str:
        """What names the token in lists and in the audit; its primary key is the digest."""
        return str(self.token_key)

    def __str__(self) -> str:
        return self.name


class SetupCode(models.Model):
    """The one-time code that lets the first administrator in; one row at most."""

    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "setup code"


class Invitation(models.Model):
    """A mailed, hashed, expiring, single-use way in, with the roles that wait behind it."""

    email = models.EmailField(_("e-mail address"))
    digest = models.CharField(max_length=64, unique=True)
    # The roles as {"name", "effect", "site_slug", "tag_slug"}, made when it is accepted.
    roles: "models.JSONField[list[dict[str, str]], list[dict[str, str]]]" = models.JSONField(
        _("roles"), default=list
    )
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="invitations"
    )
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"))
    sent_at = models.DateTimeField(_("mailed"), null=True, blank=True)
    # Why the mail could not be sent; empty when it was, or when none was asked for.
    mail_fault = models.CharField(max_length=255, blank=True)
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.email


class PasswordLink(models.Model):
    """A hashed, expiring, single-use link by which a user sets a new password."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True, blank=True)

    class Meta:
        verbose_name = _("password link")
        verbose_name_plural = _("password links")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"password link of {self.user}"


class AuditCheck(models.Model):
    """What the newest verification of the audit chain found; one row."""

    at = models.DateTimeField(_("time"))
    count = models.PositiveBigIntegerField(_("entries"))
    last_entry_id = models.PositiveBigIntegerField(_("up to entry"))
    digest = models.CharField(max_length=64)
    # The newest head that was found sound: what comes later must lead through it.
    sound_count = models.PositiveBigIntegerField(default=0)
    sound_digest = models.CharField(max_length=64, blank=True)
    # What is wrong, in words; empty when every seal fits.
    fault = models.CharField(_("fault"), max_length=255, blank=True)

    def __str__(self) -> str:
        return f"audit check of {self.at:%Y-%m-%d %H:%M}"


class AuditHead(models.Model):
    """The end of the audit chain: one row, locked while an entry is added."""

    digest = models.CharField(max_length=64)
    count = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"audit head {self.count}"


class AuditEntry(models.Model):
    """Who did what to which object, from where; each entry seals the one before it."""

    class Via(models.TextChoices):
        UI = "ui", _("Web page")
        API = "api", _("API")
        ADMIN = "admin", _("Admin console")
        COMMAND = "command", _("Command line")
        AGENT = "agent", _("Agent")
        SYSTEM = "system", _("Server")

    at = models.DateTimeField(_("time"), db_index=True)
    # The row of a deleted user's deeds stays as it was sealed: nothing here is ever changed.
    actor = models.ForeignKey(User, on_delete=models.DO_NOTHING, null=True, db_constraint=False)
    actor_label = models.CharField(_("who"), max_length=200)
    via = models.CharField(_("through"), max_length=8, choices=Via.choices)
    address = models.CharField(_("from"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=64)
    object_type = models.CharField(_("kind of object"), max_length=64)
    object_id = models.CharField(_("object"), max_length=64)
    object_label = models.CharField(_("name of the object"), max_length=200)
    before: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("before"), default=dict
    )
    after: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(
        _("after"), default=dict
    )
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["object_type", "object_id"])]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.action} {self.object_label}"
