from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_audit_triggers")]

    operations = [
        migrations.AddField(
            model_name="auditcheck",
            name="sound_count",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="auditcheck",
            name="sound_digest",
            field=models.CharField(blank=True, max_length=64),
        ),
    ]
