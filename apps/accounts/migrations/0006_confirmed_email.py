from typing import Any

from django.db import migrations, models


def confirm_addresses(apps: Any, _editor: Any) -> None:
    """Addresses count as confirmed, but for those of which the audit says: by their own user."""
    entries = apps.get_model("accounts", "AuditEntry").objects.filter(object_type="user")
    for user in apps.get_model("accounts", "User").objects.exclude(email=""):
        own = entries.filter(object_id=str(user.pk), actor_id=user.pk, after__email=user.email)
        if not own.exists():
            user.confirmed_email = user.email
            user.save(update_fields=["confirmed_email"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_kept_audit_head")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="confirmed_email",
            field=models.EmailField(
                blank=True,
                default="",
                editable=False,
                max_length=254,
                verbose_name="confirmed e-mail address",
            ),
            preserve_default=False,
        ),
        migrations.RunPython(confirm_addresses, migrations.RunPython.noop),
    ]
