from typing import Any

from django.db import migrations, models


def keep_scopes(apps: Any, _editor: Any) -> None:
    """What was made before counts as made with the rights that its owner has today."""
    reports = apps.get_model("reports", "Report").objects.filter(state="ready")
    for owner in apps.get_model("accounts", "User").objects.exclude(report_plans=None).distinct():
        roles = apps.get_model("accounts", "Role").objects.filter(user=owner)
        allowed = roles.filter(effect="allow")
        # Denying more than "viewer" leaves looking.
        denied = roles.filter(effect="deny", name="viewer")
        scope = {"allowed": list_places(allowed), "denied": list_places(denied)}
        reports.filter(plan__owner=owner).update(scope=scope)


def list_places(roles: Any) -> list[list[str]]:
    return sorted([role.site_slug, role.tag_slug] for role in roles)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_confirmed_email"), ("reports", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="report",
            name="scope",
            field=models.JSONField(editable=False, null=True, verbose_name="scope"),
        ),
        migrations.RunPython(keep_scopes, migrations.RunPython.noop),
    ]
