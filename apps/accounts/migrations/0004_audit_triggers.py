from django.db import migrations

from apps.accounts import triggers


def put_up(_apps, schema_editor):
    for statement in triggers.CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def take_down(_apps, schema_editor):
    for statement in triggers.DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_password_links_and_audit_checks")]

    operations = [migrations.RunPython(put_up, take_down)]
